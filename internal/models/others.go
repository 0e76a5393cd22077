package models

// others lists the files of other authors' networks.
func others() []Entry { return append(psccNet(), catNet, truFor) }

var catNet = Entry{
	Name: "cat-net", File: "CAT_full_v2.pth.tar", Size: 915_503_873,
	SHA256:    "f82aaafdd1142775231feedcea0bb7027f7370561d9e8d107465454001865989",
	URL:       "https://drive.google.com/uc?export=download&id=1tyOKVdx6UMys2OcNpUj9r6scxNIpcoLE",
	About:     "CAT-Net v2: map of a picture, from its pixels and the coefficients of its JPEG file",
	TrainedOn: "CASIA v2, FantasticReality, IMD2020, tampered COCO and RAISE",
	Licence: Licence{
		Weights: "CC BY 4.0 (attribution; commercial use is allowed)",
		Code:    "Apache 2.0",
		Attribution: "M.-J. Kwon, S.-H. Nam, I.-J. Yu, H.-K. Lee, C. Kim: Learning JPEG compression artifacts for image manipulation " +
			"detection and localization, IJCV 2022",
		URL: "https://github.com/mjkwon2021/CAT-Net#license",
	},
}

var truFor = Entry{
	Name: "trufor", File: "trufor.pth.tar", Size: 281_496_429,
	SHA256: "ac1d90e329a72e0d66e8665e123a19e94bfae3209c3ef8a4f9ca3b91578c7844",
	URL:    "https://www.grip.unina.it/download/prog/TruFor/TruFor_weights.zip",
	Archive: &Archive{
		File: "TruFor_weights.zip", Member: "weights/trufor.pth.tar", Size: 260_878_690,
		SHA256: "953f1f7eda0dd2c5ece322ae9c185ba1079c1265aa5fdf319ef5a20604d206d8",
	},
	About:     "TruFor: map, confidence and score of a picture",
	TrainedOn: "CASIA v2, FantasticReality, IMD2020, tampered COCO and RAISE",
	Licence: Licence{
		Weights: "for nonprofit and informational use only; any use for profit is prohibited",
		Code:    "the same terms; the parts from CMX are under the MIT licence",
		Note:    "Copies must keep the notices, and work that uses it must cite the authors.",
		Attribution: "F. Guillaro, D. Cozzolino, A. Sud, N. Dufour, L. Verdoliva: TruFor: Leveraging all-round clues for trustworthy " +
			"image forgery detection and localization, CVPR 2023",
		URL: "https://github.com/grip-unina/TruFor#license",
	},
}

var psccLicence = Licence{
	Weights: "MIT (in the repository that the licence covers)",
	Code:    "MIT",
	Attribution: "X. Liu, Y. Liu, J. Chen, X. Liu: PSCC-Net: Progressive spatio-channel correlation network for image manipulation " +
		"detection and localization, IEEE TCSVT 2022",
	URL: "https://github.com/proteus1991/PSCC-Net/blob/main/LICENSE",
}

// psccNet lists the three files of PSCC-Net. The network needs all of them.
func psccNet() []Entry {
	part := func(name, file, about string, size int64, sha256 string) Entry {
		base := file[:len(file)-len(".pth")]
		return Entry{
			Name: name, File: file, Size: size, SHA256: sha256,
			URL:       "https://raw.githubusercontent.com/proteus1991/PSCC-Net/main/checkpoint/" + base + "_checkpoint/" + file,
			About:     about,
			TrainedOn: "its authors' synthetic manipulations of COCO and other pictures",
			Licence:   psccLicence,
		}
	}
	network := part("pscc", "HRNet.pth", "PSCC-Net: map and score of a picture", 8_305_545,
		"d3b21edc4930187a6801cc818bd7b999fb5d8078d8f2e2193572e91ea5160096")
	network.Needs = []string{"pscc-masks", "pscc-detection"}
	return []Entry{
		network,
		part("pscc-masks", "NLCDetection.pth", "a part of PSCC-Net: its masks", 2_900_709,
			"11ea3461253cf059b299ad4b6b89008485f94a2d2b2da83ec28c2282a095b00b"),
		part("pscc-detection", "DetectionHead.pth", "a part of PSCC-Net: its score", 3_739_969,
			"a17581e8a3489a360257a266ca9b2db1b7c9b43337fbcc4aeb8d751f593f66f5"),
	}
}
