package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/tools/twin"
)

// wholeNetworks are other authors' networks, as tools/golden/whole.py calls them.
var wholeNetworks = []string{"cat-net", "cat-net-dct", "pscc", "trufor"}

const (
	wholeSide    = 512
	wholeRepeats = 5
	aimWhole     = 2.0 // times as fast as PyTorch
)

// benchWhole compares other authors' networks, with random weights in their published layouts, with
// PyTorch: the time of a picture, and the peak memory of a process that runs one picture.
func benchWhole(o options, work string) error {
	file := filepath.Join(work, "whole.jpg")
	if err := picture.WriteJPEG(file, render(wholeSide, wholeSide), 90); err != nil {
		return err
	}
	fmt.Printf("\n%-28s %10s %10s %8s %12s %12s\n", fmt.Sprintf("one picture, %d x %d", wholeSide, wholeSide), "declip", "other", "ratio",
		"peak memory", "other's")
	for _, name := range wholeNetworks {
		if err := wholeNetwork(o, work, name, file); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func wholeNetwork(o options, work, name, file string) error {
	folder, err := os.MkdirTemp(work, "whole")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	files, version, err := makeWhole(o, name, folder)
	if err != nil {
		return err
	}
	if version == "" {
		fmt.Printf("%-28s %10s\n", name, "(needs PyTorch to make its weights)")
		return nil
	}
	ours, others, peak, err := timeWhole(o, name, file, files)
	if err != nil {
		return err
	}
	args := []string{"localize", "-o", filepath.Join(work, "out"), "--device", "cpu", "--threads", fmt.Sprint(o.threads)}
	for _, f := range files {
		args = append(args, "-m", f)
	}
	_, used, err := start(o, append(args, file)...)
	if err != nil {
		return err
	}
	fmt.Printf("%-28s %7.0f ms %7.0f ms %7.2fx %9.2f GB %9.2f GB  PyTorch %s, aim: %gx, less memory\n", name,
		1e3*median(ours), 1e3*median(others), median(others)/median(ours), used.peak/1e9, peak/1e9, version, aimWhole)
	return nil
}

// makeWhole makes a network's files in a process of its own, whose memory does not count. version
// is PyTorch's, "" without one.
func makeWhole(o options, name, folder string) (files []string, version string, err error) {
	other, err := startWhole(o)
	if err != nil {
		return nil, "", err
	}
	defer other.Stop()
	if other.Torch == "" {
		return nil, "", nil
	}
	var made struct{ Files []string }
	err = other.Ask(map[string]any{"do": "whole make", "name": name, "folder": folder}, &made)
	return made.Files, other.Torch, err
}

func startWhole(o options) (*twin.Twin, error) {
	return twin.Start(o.python, filepath.Join(filepath.Dir(o.twin), "parity_torch.py"), o.threads)
}

// timeWhole lets both sides take turns with a picture. Ours begins with the decoded picture, the
// other with its network's input; both end with the map at the picture's size. The times are in
// seconds; peak is the other side's memory after its first picture, in bytes.
func timeWhole(o options, name, file string, files []string) (ours, others []float64, peak float64, err error) {
	other, err := startWhole(o)
	if err != nil {
		return nil, nil, 0, err
	}
	defer other.Stop()
	if err := other.Ask(map[string]any{"do": "whole load", "name": name, "files": files}, &struct{}{}); err != nil {
		return nil, nil, 0, err
	}
	m, err := localize.OpenSeveral(files, localize.Options{Device: "cpu", Threads: o.threads})
	if err != nil {
		return nil, nil, 0, err
	}
	defer m.Close()
	for i := range wholeRepeats + 1 {
		decoded, err := picture.Open(file, picture.Limits{Coefficients: m.ReadsCoefficients()})
		if err != nil {
			return nil, nil, 0, err
		}
		began := time.Now()
		if _, err := m.Localize(context.Background(), decoded); err != nil {
			return nil, nil, 0, err
		}
		took := time.Since(began).Seconds()
		var answer struct{ Seconds, Peak float64 }
		if err := other.Ask(map[string]any{"do": "whole time", "name": name, "picture": file}, &answer); err != nil {
			return nil, nil, 0, err
		}
		if i == 0 { // warms both sides up
			peak = answer.Peak
			continue
		}
		ours, others = append(ours, took), append(others, answer.Seconds)
	}
	return ours, others, peak, nil
}
