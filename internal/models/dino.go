package models

import "strings"

var (
	dino2Licence = Licence{
		Weights: "Apache 2.0",
		Code:    "Apache 2.0",
		Attribution: "M. Oquab et al.: DINOv2: Learning robust visual features without supervision, TMLR 2024; " +
			"T. Darcet et al.: Vision transformers need registers, ICLR 2024",
		URL: "https://github.com/facebookresearch/dinov2#license",
	}
	dino3Licence = Licence{
		Weights:     "DINOv3 License (redistribution under the same terms only; no military use)",
		Code:        "DINOv3 License",
		Note:        "Publications must acknowledge it. Networks that are fine-tuned from the weights are under the same terms.",
		Attribution: "O. Siméoni et al.: DINOv3, 2025",
		URL:         "https://ai.meta.com/resources/models-and-libraries/dinov3-license/",
	}
)

// dinoRequest is the page on which Meta's form is, after which it sends links to DINOv3's files.
const dinoRequest = "https://ai.meta.com/resources/models-and-libraries/dinov3-downloads/"

// dino lists the files of DINOv2, DINOv3 and DINOv3-IML.
func dino() (list []Entry) {
	for _, size := range []string{"vits14", "vitb14", "vitl14", "vitg14"} {
		for _, registers := range []bool{false, true} {
			list = append(list, dino2(size, registers))
		}
	}
	for _, v := range []struct{ size, sha256 string }{
		{"vits16", "08c60483"}, {"vits16plus", "4057cbaa"},
		{"vitb16", "73cec8be7427c8655ceced13ce62f6e20a1fa90d1b4d4a550df17a1144081a7c"},
		{"vitl16", "8aa4cbddda325040fc78db2c272754af6ebe8ff2c55f6ec4f1964d8890f66035"},
		{"vith16plus", "7c1da9a5"},
	} {
		list = append(list, dino3(v.size, v.sha256))
	}
	return append(list, dinoIML)
}

// dino2 describes a backbone of DINOv2. Its publisher states no digests.
func dino2(size string, registers bool) Entry {
	e := Entry{
		Name: "dinov2-" + size, File: "dinov2_" + size + "_pretrain.pth",
		About: "DINOv2 " + strings.TrimPrefix(size, "vit") + ", a backbone", TrainedOn: "LVD-142M, pictures from the web", Licence: dino2Licence,
	}
	if registers {
		e.Name, e.File = e.Name+"-reg", "dinov2_"+size+"_reg4_pretrain.pth"
		e.About += " with registers"
	}
	e.URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_" + size + "/" + e.File
	return e
}

// dino3 describes a backbone of DINOv3. The names of the files have the first eight digits of their
// SHA-256; of some files the whole is known.
func dino3(size, sha256 string) Entry {
	const digest = 64
	e := Entry{
		Name: "dinov3-" + size, File: "dinov3_" + size + "_pretrain_lvd1689m-" + sha256[:8] + ".pth", URL: dinoRequest,
		Manual:    "Meta sends a link after its form was filled in",
		About:     "DINOv3 " + strings.TrimPrefix(size, "vit") + ", a backbone",
		TrainedOn: "LVD-1689M, pictures from the web", Licence: dino3Licence,
	}
	if len(sha256) == digest {
		e.SHA256 = sha256
	}
	return e
}

var dinoIML = Entry{
	Name: "dinov3-iml", File: "dinov3-iml-vitl16-r32.pth", Size: 1_321_705_819,
	SHA256: "01f23401e048f706ea0e63fb0429ddef80db3197ac0f5707bd584a8b056177fa",
	URL:    "https://drive.google.com/drive/folders/125leLub_M-lICa1ILTOL-FCz4ZY6eutj",
	Manual: "it is checkpoint-48.pth on its authors' Google Drive",
	About:  "DINOv3-IML: map of a picture, by DINOv3 ViT-L/16 with adapters of rank 32", TrainedOn: "CASIA v2, FantasticReality, IMD2020, tampered COCO",
	Licence: Licence{
		Weights: "not stated; the file contains DINOv3's weights, whose DINOv3 License applies",
		Code:    "MIT",
		Note:    dino3Licence.Note,
		URL:     "https://github.com/Irennnne/DINOv3-IML#license",
	},
}
