package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The kinds of pictures that DINOv3 was trained on, which have their own means and deviations.
const (
	StatisticsImageNet  = "imagenet"  // pictures of the web (LVD-1689M)
	StatisticsSatellite = "satellite" // SAT-493M
)

// StatisticsNames lists them.
func StatisticsNames() []string { return []string{StatisticsImageNet, StatisticsSatellite} }

// StatisticsKey is the metadata key of a backbone's statistics, one of StatisticsNames, in files
// that declip writes.
const StatisticsKey = "declip.statistics"

// satelliteMark is in Meta's files of DINOv3 ViT-L/16 for satellite pictures, and in both of its
// files of ViT-7B/16; in training it was for crops.
const satelliteMark = "local_cls_norm.weight"

// satelliteWidth is the width of ViT-L/16. It and the widest network are published for both kinds
// of pictures.
const satelliteWidth = 1024

// CheckStatistics returns an error that wraps ErrSpec unless name is empty or one of
// StatisticsNames.
func CheckStatistics(name string) error {
	if name != "" && !slices.Contains(StatisticsNames(), name) {
		return fmt.Errorf("%w: statistics %q: expected %s", ErrSpec, name, strings.Join(StatisticsNames(), " or "))
	}
	return nil
}

// StatisticsName is the kind of pictures by whose statistics DINOv3's input is normalised, one of
// StatisticsNames; empty for other backbones.
func (b *Backbone) StatisticsName() string {
	switch d, ok := b.tower.(dino); {
	case !ok || d.version != 3:
		return ""
	case d.satellite:
		return StatisticsSatellite
	}
	return StatisticsImageNet
}

// Doubt tells the user how the backbone's statistics were determined if its file does not state
// them; empty otherwise.
func (b *Backbone) Doubt() string { return b.doubt }

// WithStatistics is the backbone for pictures that are normalised by the statistics of the given
// name; an empty name changes nothing. Backbones other than DINOv3's have one kind only: an error
// that wraps ErrSpec.
func (b *Backbone) WithStatistics(name string) (*Backbone, error) {
	if err := CheckStatistics(name); err != nil || name == "" {
		return b, err
	}
	d, ok := b.tower.(dino)
	if !ok || d.version != 3 {
		return b, fmt.Errorf("%w: statistics can be chosen for DINOv3, not for %s", ErrSpec, b.Arch())
	}
	changed := *b
	d.satellite = name == StatisticsSatellite
	changed.tower, changed.doubt, changed.stated = d, "", name
	return &changed, nil
}

// Metadata is the metadata by which the backbone's statistics are known in a file that holds its
// tensors alone; nil if they need not be stated.
func (b *Backbone) Metadata() map[string]string {
	d, ok := b.tower.(dino)
	switch {
	case b.stated != "":
		return map[string]string{StatisticsKey: b.stated}
	case ok && d.satellite:
		return map[string]string{StatisticsKey: StatisticsSatellite}
	}
	return nil
}

// ChooseStatistics applies the statistics of the given name to the backbones of DINOv3 in the file;
// an empty name changes nothing. Errors wrap ErrSpec.
func (c *FileContents) ChooseStatistics(name string) error {
	return chooseStatistics(c.Backbones, name)
}

// chooseStatistics applies the statistics of a spec to the backbones of DINOv3 among some. There
// must be one if a name is given.
func chooseStatistics(list []*Backbone, name string) error {
	if err := CheckStatistics(name); err != nil || name == "" {
		return err
	}
	chosen := false
	for i, b := range list {
		if d, ok := b.tower.(dino); ok && d.version == 3 {
			list[i], _ = b.WithStatistics(name) // it is DINOv3, and the name was checked
			chosen = true
		}
	}
	if !chosen {
		return fmt.Errorf("%w: statistics %q are for DINOv3, not for %s", ErrSpec, name, archs(list))
	}
	return nil
}

// Doubts tells the user how the statistics of the model's backbones were determined, as far as
// their files do not state them.
func (m *Pretrained) Doubts() (list []string) {
	for _, u := range m.uses {
		if d := u.Backbone.doubt; d != "" && !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return list
}

// Doubts is Pretrained.Doubts for a head's backbones.
func (h *Head) Doubts() []string { return h.model.Doubts() }

// readStatistics finds out by which statistics the backbone's pictures are normalised: from the
// file's metadata, from its tensors, from the settings next to it, and from its name, in this
// order. Nothing else tells the published files apart.
func (b *Backbone) readStatistics(d *dino) error {
	l := &b.layout
	if d.version != 3 {
		return nil
	}
	meta := l.file.Metadata()
	if name, ok := meta[StatisticsKey]; ok {
		if err := CheckStatistics(name); err != nil {
			return fmt.Errorf("%s: %q in its metadata: %w", l.file.Path(), StatisticsKey, err)
		}
		b.stated, d.satellite = name, name == StatisticsSatellite
		return nil
	}
	if d.width == satelliteWidth {
		if d.satellite = l.has(satelliteMark); d.satellite || l.has(periodsName) {
			return nil // Meta's file
		}
	}
	if _, own := meta[SpecKey]; own {
		return nil // the spec states them if they are not ImageNet's
	}
	name, other, err := statisticsInSettings(l.file.Path())
	switch {
	case err != nil:
		return err
	case name != "":
		d.satellite = name == StatisticsSatellite
		return nil
	case other != "":
		b.doubt = fmt.Sprintf("%s: %s: pictures are normalised by the statistics of ImageNet (--statistics %s for those of satellite pictures)",
			l.file.Path(), other, StatisticsSatellite)
		return nil
	case d.width != satelliteWidth && d.width != widest:
		return nil // published for pictures of the web only
	}
	if name := statisticsInName(l.file.Path()); name != "" {
		if d.satellite = name == StatisticsSatellite; d.satellite {
			b.doubt = fmt.Sprintf("%s: its name says %s: pictures are normalised by the statistics of satellite pictures (--statistics %s for the other)",
				l.file.Path(), satelliteName, StatisticsImageNet)
		}
		return nil
	}
	b.doubt = fmt.Sprintf("%s: %s is published for pictures of the web and for satellite pictures, and the file does not say for which it is: "+
		"pictures are normalised by the statistics of ImageNet (--statistics %s for the other)", l.file.Path(), d.arch(), StatisticsSatellite)
	return nil
}

// Parts of the names of published files and their directories.
const (
	satelliteName = "sat493m"
	webName       = "lvd1689m"
)

// statisticsInName finds the statistics in the name of a file or of the directories above it, as
// far as a download of Hugging Face's hub has them; empty if they do not say.
func statisticsInName(path string) string {
	full, err := filepath.Abs(path)
	if err != nil {
		full = path
	}
	for range 4 { // hub/models--NAME/snapshots/COMMIT/model.safetensors
		name := strings.ToLower(filepath.Base(full))
		switch {
		case strings.Contains(name, satelliteName):
			return StatisticsSatellite
		case strings.Contains(name, webName):
			return StatisticsImageNet
		}
		full = filepath.Dir(full)
	}
	return ""
}

// settings are what is used of the files next to published weights: transformers' preprocessor and
// timm's configuration.
type settings struct {
	Mean      []float64 `json:"image_mean"`
	Std       []float64 `json:"image_std"`
	Published struct {
		Mean []float64 `json:"mean"`
		Std  []float64 `json:"std"`
	} `json:"pretrained_cfg"`
}

// hubNames are what the names of weights begin with that have such files next to them.
var hubNames = []string{"model.", "model-", "pytorch_model."}

// statisticsInSettings reads the statistics from the settings next to a file. name is empty unless
// they are of a known kind, and other tells of statistics of another one.
func statisticsInSettings(path string) (name, other string, err error) {
	if !slices.ContainsFunc(hubNames, func(start string) bool { return strings.HasPrefix(filepath.Base(path), start) }) {
		return "", "", nil
	}
	for _, file := range []string{"preprocessor_config.json", "config.json"} {
		settingsFile := filepath.Join(filepath.Dir(path), file)
		text, err := os.ReadFile(settingsFile)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", "", err
		}
		var s settings
		if err := json.Unmarshal(text, &s); err != nil {
			return "", "", fmt.Errorf("%s: %w", settingsFile, err)
		}
		mean, std := s.Mean, s.Std
		if mean == nil {
			mean, std = s.Published.Mean, s.Published.Std
		}
		switch {
		case mean == nil && std == nil:
		case same(mean, satelliteMean) && same(std, satelliteStd):
			return StatisticsSatellite, "", nil
		case same(mean, imageNetMean) && same(std, imageNetStd):
			return StatisticsImageNet, "", nil
		default:
			other = fmt.Sprintf("%s states means of %v and deviations of %v, which DINOv3 does not have", settingsFile, mean, std)
		}
	}
	return "", other, nil
}

// same compares statistics with published ones, which have three digits.
func same(list []float64, published [3]float32) bool {
	if len(list) != len(published) {
		return false
	}
	for i, v := range list {
		if math.Abs(v-float64(published[i])) > 1e-3 {
			return false
		}
	}
	return true
}
