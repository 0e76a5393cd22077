package models

import (
	"path"
	"strings"
)

// Entry describes a published file that this program can use.
type Entry struct {
	// Name is the name that users type.
	Name string `json:"name"`
	// File is the file's name at the publisher and in the models directory.
	File string `json:"file"`
	// URL is the address of the file, or of the archive that has it.
	URL string `json:"url"`
	// Manual says why the file cannot be downloaded from URL, which is then a page for people; empty
	// for files that can.
	Manual string `json:"manual,omitempty"`
	// Archive is the zip file at URL that has the file; nil if URL is the file's.
	Archive *Archive `json:"archive,omitempty"`
	// Size is the file's in bytes; 0 if none is known.
	Size int64 `json:"size,omitempty"`
	// SHA256 is the file's digest in hexadecimal, empty if none is known.
	SHA256 string `json:"sha256,omitempty"`
	// About describes the contents of the file.
	About string `json:"about"`
	// TrainedOn names the pictures that it was trained on.
	TrainedOn string `json:"trained_on"`
	// Needs are the names of other entries that it requires.
	Needs []string `json:"needs,omitempty"`
	// Licence describes the terms of the weights, as far as they are known.
	Licence Licence `json:"licence"`
}

// Archive is a zip file that has a published file.
type Archive struct {
	File   string `json:"file"`   // its name
	Member string `json:"member"` // the published file's path inside
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"`
}

// Licence describes the publisher's terms of use.
type Licence struct {
	// Weights is the licence of the weights themselves, or NotStated.
	Weights string `json:"weights"`
	// Code is the licence of the publisher's code.
	Code string `json:"code"`
	// Note describes the publisher's other requests.
	Note string `json:"note,omitempty"`
	// Attribution names the authors, where the terms or good manners ask for it.
	Attribution string `json:"attribution,omitempty"`
	// URL is the address of the terms.
	URL string `json:"url"`
}

// NotStated is the licence of weights for which the publisher names none.
const NotStated = "not stated"

var clipLicence = Licence{
	Weights: NotStated,
	Code:    "MIT",
	Note:    "The model card is for research: it calls every deployed use, commercial or not, out of scope.",
	URL:     "https://github.com/openai/CLIP/blob/main/model-card.md",
}

var declipLicence = Licence{
	Weights: NotStated,
	Code:    "CC BY-NC-SA 4.0 (attribution, not commercial, share alike)",
	URL:     "https://github.com/bit-ml/DeCLIP#license",
}

// Catalogue lists the published files: CLIP's backbones, DeCLIP's models, other authors', then
// DINO's.
func Catalogue() []Entry {
	list := []Entry{
		clip("ViT-L/14", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"),
		clip("RN50", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"),
	}
	for _, t := range trainingSets {
		list = append(list, declipVIT(t))
	}
	for _, t := range trainingSets {
		if t.fusion {
			list = append(list, declipFusion(t))
		}
	}
	return append(append(list, others()...), dino()...)
}

// clip describes a backbone published by OpenAI. The digest is part of its address.
func clip(name, sha256 string) Entry {
	file := strings.ReplaceAll(name, "/", "-") + ".pt"
	return Entry{
		Name: name, File: file, SHA256: sha256,
		URL:       "https://openaipublic.azureedge.net/clip/models/" + sha256 + "/" + file,
		About:     "CLIP " + name + ", a backbone",
		TrainedOn: "captioned pictures from the web",
		Licence:   clipLicence,
	}
}

// trainingSet describes the pictures that a DeCLIP model was trained on.
type trainingSet struct {
	name   string // as users type it
	file   string // as spelled in the published files' names
	about  string
	fusion bool // there is also a model with both backbones
}

var trainingSets = []trainingSet{
	{"pluralistic", "pluralistic", "Dolos pluralistic (CelebA-HQ faces)", true},
	{"lama", "lama", "Dolos lama (CelebA-HQ faces)", true},
	{"repaint", "repaint-p2-9k", "Dolos repaint-p2-9k (CelebA-HQ faces)", true},
	{"ldm", "ldm", "Dolos ldm (CelebA-HQ faces)", true},
	{"cocosd", "cocosd", "COCO-SD", false},
}

const declipFolder = "https://storage.googleapis.com/bitdefender_ml_artifacts/declip/"

// declipVIT describes a complete model: the file includes its CLIP ViT-L/14.
func declipVIT(t trainingSet) Entry {
	file := "ViT_layer20_conv-20_" + t.file + ".pth"
	return Entry{
		Name: "declip-vit-" + t.name, File: file, URL: declipFolder + "backbone_VIT/" + file,
		About:     "DeCLIP: ViT-L/14 layer20, conv-20",
		TrainedOn: t.about,
		Licence:   declipLicence,
	}
}

// declipFusion describes a decoder without its backbones. The plus signs in the address are
// escaped: some servers read an unescaped one as a space.
func declipFusion(t trainingSet) Entry {
	file := "ViT_layer20+RN50_layer3_conv-20_" + t.file + ".pth"
	return Entry{
		Name: "declip-fusion-" + t.name, File: file,
		URL:       declipFolder + "backbone_VIT%2BRN50/" + strings.ReplaceAll(file, "+", "%2B"),
		About:     "DeCLIP decoder: ViT-L/14 layer20 + RN50 layer3, conv-20",
		TrainedOn: t.about,
		Needs:     []string{"ViT-L/14", "RN50"},
		Licence:   declipLicence,
	}
}

// Lookup finds an entry by its name, or by the published file's name with or without its suffix, in
// any case.
func Lookup(name string) (Entry, bool) {
	for _, e := range Catalogue() {
		for _, known := range []string{e.Name, e.File, strings.TrimSuffix(e.File, path.Ext(e.File))} {
			if strings.EqualFold(name, known) {
				return e, true
			}
		}
	}
	return Entry{}, false
}
