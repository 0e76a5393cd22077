package models

import (
	"encoding/hex"
	"net/url"
	"path"
	"strings"
	"testing"
)

func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Catalogue() {
		u, err := url.Parse(e.URL)
		file := e.File
		if e.Archive != nil {
			file = e.Archive.File
		}
		if err != nil || u.Scheme != "https" || path.Base(u.Path) != file && !asks(e.URL) && e.Manual == "" {
			t.Errorf("%s: address %s (%v): expected https and the file %s", e.Name, e.URL, err, file)
		}
		if sum, err := hex.DecodeString(e.SHA256); e.SHA256 != "" && (err != nil || len(sum) != 32) {
			t.Errorf("%s: digest %q is none", e.Name, e.SHA256)
		}
		if strings.HasPrefix(e.About, "CLIP ") && !strings.Contains(e.URL, e.SHA256) {
			t.Errorf("%s: digest %q is not the one in the address", e.Name, e.SHA256)
		}
		if e.About == "" || e.TrainedOn == "" || e.Licence.Weights == "" || e.Licence.Code == "" || !strings.HasPrefix(e.Licence.URL, "https://") {
			t.Errorf("%s: something is not said: %+v", e.Name, e)
		}
		for _, name := range []string{strings.ToLower(e.Name), strings.ToLower(e.File)} {
			if seen[name] {
				t.Errorf("%s: the name is taken", name)
			}
			seen[name] = true
		}
		if BuiltIn(e.Name) {
			t.Errorf("%s: a built-in model has this name", e.Name)
		}
		for _, need := range e.Needs {
			if _, ok := Lookup(need); !ok {
				t.Errorf("%s needs %q, which is not in the catalogue", e.Name, need)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d names and files, expected two each of eleven entries", len(seen))
	}
}

func TestLookup(t *testing.T) {
	for name, want := range map[string]string{
		"ViT-L/14":                          "ViT-L/14",
		"vit-l/14":                          "ViT-L/14",
		"ViT-L-14":                          "ViT-L/14",
		"ViT-L-14.pt":                       "ViT-L/14",
		"rn50":                              "RN50",
		"declip-vit-ldm":                    "declip-vit-ldm",
		"ViT_layer20_conv-20_ldm.pth":       "declip-vit-ldm",
		"ViT_layer20_conv-20_repaint-p2-9k": "declip-vit-repaint",
		"ViT_layer20+RN50_layer3_conv-20_lama.pth": "declip-fusion-lama",
		"vit_layer20_conv-20_cocosd":               "declip-vit-cocosd",
		"trufor.pth.tar":                           "trufor",
		"PSCC":                                     "pscc",
		"hrnet.pth":                                "pscc",
		"CAT_full_v2.pth.tar":                      "cat-net",
		"dinov2_vits14_reg4_pretrain.pth":          "dinov2-vits14-reg",
		"dinov3-vitl16":                            "dinov3-vitl16",
	} {
		if e, ok := Lookup(name); !ok || e.Name != want {
			t.Errorf("%s is %q, expected %q", name, e.Name, want)
		}
	}
	for _, name := range []string{"", "lite", "ViT-L", "declip-fusion-cocosd", "ViT-L-14.pth", "x/ViT-L-14.pt"} {
		if e, ok := Lookup(name); ok {
			t.Errorf("%q is %q, expected nothing", name, e.Name)
		}
	}
}

func TestAddress(t *testing.T) {
	e, _ := Lookup("declip-fusion-ldm")
	const want = "https://storage.googleapis.com/bitdefender_ml_artifacts/declip/backbone_VIT%2BRN50/ViT_layer20%2BRN50_layer3_conv-20_ldm.pth"
	if got, err := e.Address(""); err != nil || got != want {
		t.Errorf("address %s, %v; expected %s", got, err, want)
	}
	for mirror, want := range map[string]string{
		"http://127.0.0.1:8000":    "http://127.0.0.1:8000/ViT_layer20+RN50_layer3_conv-20_ldm.pth",
		"https://host/models/?k=v": "https://host/models/ViT_layer20+RN50_layer3_conv-20_ldm.pth?k=v",
	} {
		if got, err := e.Address(mirror); err != nil || got != want {
			t.Errorf("at %s the address is %s, %v; expected %s", mirror, got, err, want)
		}
	}
	for _, mirror := range []string{"/models", "ftp://host", "https://", "host/models", "http://%zz"} {
		if got, err := e.Address(mirror); err == nil || !strings.Contains(err.Error(), "mirror") {
			t.Errorf("mirror %q: address %s, error %v; expected an error", mirror, got, err)
		}
	}
}
