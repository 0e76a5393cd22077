package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/network/networktest"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/train"
	"github.com/declip/declip/tools/twin"
)

// An epoch of the paper's largest network on its frozen backbone. Dolos has about nine training
// pictures for one validation picture.
const (
	epochBatch    = 4
	epochPictures = 16
	epochValid    = 4
	epochShare    = 9
	epochLayer    = "layer20"
	epochSide     = 512 // pixels of the pictures
)

// epochDecoders are the slowest and the fastest of the paper's decoders.
var epochDecoders = []string{"conv-20", "linear"}

// epochTimes are in seconds per picture.
type epochTimes struct{ First, Train, Valid []float64 }

// benchEpoch compares an epoch after the first, in which features come from the cache, with the
// published loop, in which all pictures go through the backbone.
func benchEpoch(o options, work string) error {
	data := filepath.Join(work, "epoch")
	if err := writeEpochData(data); err != nil {
		return err
	}
	clip := filepath.Join(data, "clip.safetensors")
	tower := networktest.Tensors(networktest.ViT("visual.", 1024, 14, 21, 16))
	if err := weights.Write(clip, tower, nil); err != nil {
		return err
	}
	for i, decoder := range epochDecoders {
		if err := benchDecoder(o, data, decoder, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// benchDecoder measures one decoder; the first one fills the cache.
func benchDecoder(o options, data, decoder string, first bool) error {
	others, version, err := publishedEpoch(o, data, decoder)
	if err != nil {
		return err
	}
	ours, err := ownEpochs(o, data, decoder)
	if err != nil {
		return err
	}
	fmt.Printf("\n%-44s %10s %10s %8s\n", "an epoch of ViT-L/14 "+epochLayer+" "+decoder, "declip", "other", "ratio")
	whose := ""
	if version != "" {
		whose = "PyTorch " + version
	}
	if first {
		row("first epoch: a training picture", ours.First, others.Train, whose)
	}
	row("later epochs: a training picture", ours.Train, others.Train, whose)
	row("a validation picture, with its scores", ours.Valid, others.Valid, whose)
	whole := func(t epochTimes) []float64 {
		if len(t.Train) == 0 {
			return nil
		}
		return []float64{median(t.Train) + median(t.Valid)/epochShare}
	}
	row("the epoch, per training picture", whole(ours), whole(others), whose+", aim: 3x")
	return nil
}

// epochData names the files of n pictures and their masks.
func epochData(folder string, n int) (pictures, masks []string) {
	for i := range n {
		pictures = append(pictures, filepath.Join(folder, "images", fmt.Sprintf("%02d.jpg", i)))
		masks = append(masks, filepath.Join(folder, "masks", fmt.Sprintf("%02d.png", i)))
	}
	return pictures, masks
}

// writeEpochData makes data sets of rendered pictures with a rectangle for a mask.
func writeEpochData(data string) error {
	for part, n := range map[string]int{"train": epochPictures, "valid": epochValid} {
		for _, folder := range []string{"images", "masks"} {
			if err := os.MkdirAll(filepath.Join(data, part, folder), 0o755); err != nil {
				return err
			}
		}
		pictures, masks := epochData(filepath.Join(data, part), n)
		for i := range n {
			if err := picture.WriteJPEG(pictures[i], render(epochSide, epochSide+8*i+4*n), 90); err != nil {
				return err
			}
			mask := picture.NewGray(epochSide, epochSide+8*i+4*n)
			for y := 100; y < 200+10*i; y++ {
				for x := 150; x < 300; x++ {
					mask.Pix[y*mask.Width+x] = 255
				}
			}
			if err := picture.WritePNG(masks[i], mask); err != nil {
				return err
			}
		}
	}
	return nil
}

// publishedEpoch makes the other side train on a batch, after a warm-up, and validate.
func publishedEpoch(o options, data, decoder string) (t epochTimes, version string, err error) {
	other, err := twin.Start(o.python, filepath.Join(filepath.Dir(o.twin), "epoch_torch.py"), o.threads)
	if err != nil {
		return t, "", err
	}
	defer other.Stop()
	if other.Torch == "" {
		return t, "", nil
	}
	ask := func(do, part string, from, to int) (float64, error) {
		pictures, masks := epochData(filepath.Join(data, part), to)
		var answer struct{ Seconds float64 }
		err := other.Ask(map[string]any{"do": do, "layer": epochLayer, "decoder": decoder, "pictures": pictures[from:], "masks": masks[from:]}, &answer)
		return answer.Seconds / float64(to-from), err
	}
	for i := range 2 {
		seconds, err := ask("train", "train", i*epochBatch, (i+1)*epochBatch)
		if err != nil {
			return t, "", err
		}
		if i > 0 {
			t.Train = append(t.Train, seconds)
		}
	}
	for i := range 3 {
		seconds, err := ask("validate", "valid", i, i+1)
		if err != nil {
			return t, "", err
		}
		t.Valid = append(t.Valid, seconds)
	}
	return t, other.Torch, nil
}

// ownEpochs trains in a process of its own.
func ownEpochs(o options, data, decoder string) (t epochTimes, err error) {
	self, err := os.Executable()
	if err != nil {
		return t, err
	}
	cmd := exec.Command(self, "-threads", fmt.Sprint(o.threads), "-train", data, "-decoder", decoder)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return t, fmt.Errorf("%s: %w", cmd, err)
	}
	return t, json.Unmarshal(out, &t)
}

// takeEpochs runs in that process: two epochs, the first of which fills the cache. It measures the
// times between the ends of steps, and the validation. The time for checkpoints is excluded,
// because it does not grow with the number of pictures.
func takeEpochs(o options) error {
	var t epochTimes
	var latest time.Time
	var epoch, scored int
	c := train.DefaultConfig()
	c.Spec = network.Spec{Arch: "ViT-L/14", Layer: epochLayer, Decoder: o.decoder}
	c.BackboneFiles = []string{filepath.Join(o.train, "clip.safetensors")}
	c.Data, c.Valid, c.Out = filepath.Join(o.train, "train"), filepath.Join(o.train, "valid"), filepath.Join(o.train, "out-"+o.decoder)
	c.Epochs, c.BatchSize, c.Device, c.Threads = 2, epochBatch, "cpu", o.threads
	c.Cache.Dir = filepath.Join(o.train, "cache")
	c.Hooks.Step = func(r train.StepReport) {
		now := time.Now()
		if r.Epoch == epoch {
			seconds := now.Sub(latest).Seconds() / epochBatch
			if epoch == 1 {
				t.First = append(t.First, seconds)
			} else {
				t.Train = append(t.Train, seconds)
			}
		}
		epoch, latest, scored = r.Epoch, now, 0
	}
	c.Hooks.Score = func(int, int) {
		if scored++; epoch == 2 && scored == epochValid {
			t.Valid = append(t.Valid, time.Since(latest).Seconds()/epochValid)
		}
	}
	if _, err := train.Run(context.Background(), c); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(t)
}
