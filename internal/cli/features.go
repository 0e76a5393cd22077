package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/declip/declip/internal/parallel"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/nn/weights/npy"
)

// Formats of features.
const (
	formatNPY         = "npy"
	formatSafetensors = "safetensors"
)

// featureFiles are the options for writing features.
type featureFiles struct {
	out, format  string
	half, tokens bool
}

// suffixes follow a stem in the names of results.
func (o featureFiles) suffixes(layers []string) []string {
	if o.format == formatSafetensors {
		return []string{".safetensors"}
	}
	var list []string
	for _, layer := range layers {
		list = append(list, "."+layer+".npy")
	}
	return list
}

// write writes the files of a picture. If one cannot be written, the others are removed.
func (o featureFiles) write(s *featureSource, w *work[*extracted]) error {
	x := w.result
	err := o.checkRange(s, x)
	if err == nil {
		if o.format == formatSafetensors {
			err = o.writeSafetensors(s, w)
		} else {
			err = o.writeNPY(s, w)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: writing the features: %w", w.input.path, err)
	}
	x.values = nil // free the memory before the picture is reported
	return nil
}

// checkRange returns an error if float16 cannot represent a value.
func (o featureFiles) checkRange(s *featureSource, x *extracted) error {
	if !o.half {
		return nil
	}
	const largest = 65504
	for i, values := range x.values {
		for _, v := range values {
			if math.Abs(float64(v)) > largest && !math.IsInf(float64(v), 0) {
				return fmt.Errorf("%s has the value %g, the largest float16 is %d", s.layers[i], v, largest)
			}
		}
	}
	return nil
}

func (o featureFiles) writeNPY(s *featureSource, w *work[*extracted]) error {
	x := w.result
	var group parallel.Group
	for i, layer := range s.layers {
		path := filepath.Join(o.out, w.input.stem+"."+layer+".npy")
		x.files = append(x.files, path)
		group.Go(func() error {
			if !o.half {
				return npy.Write(path, x.shapes[i], x.values[i])
			}
			bits := make([]uint16, len(x.values[i]))
			for k, v := range x.values[i] {
				bits[k] = weights.ToHalf(v)
			}
			return npy.WriteHalf(path, x.shapes[i], bits)
		})
	}
	err := group.Wait()
	if err != nil {
		for _, path := range x.files {
			os.Remove(path)
		}
	}
	return err
}

func (o featureFiles) writeSafetensors(s *featureSource, w *work[*extracted]) error {
	x := w.result
	path := filepath.Join(o.out, w.input.stem+".safetensors")
	tensor := weights.FromFloat32s
	if o.half {
		tensor = weights.FromFloat32sAsHalf
	}
	var tensors []weights.Tensor
	for i, layer := range s.layers {
		x.files = append(x.files, path)
		tensors = append(tensors, tensor(layer, x.shapes[i], x.values[i]))
	}
	metadata, err := o.metadata(s, w)
	if err != nil {
		return err
	}
	return weights.Write(path, tensors, metadata)
}

// metadata describes the picture and how its features were computed.
func (o featureFiles) metadata(s *featureSource, w *work[*extracted]) (map[string]string, error) {
	sum, err := s.sha256()
	if err != nil {
		return nil, err
	}
	side := s.backbone.Side()
	mean, std := s.backbone.Statistics()
	axes := "C,H,W"
	if o.tokens {
		axes = "T,C"
	}
	return map[string]string{
		"backbone":        s.backbone.Arch(),
		"backbone_file":   filepath.Base(s.backbone.Path()),
		"backbone_sha256": sum,
		"layers":          strings.Join(s.layers, ","),
		"axes":            axes,
		"preprocessing":   fmt.Sprintf("RGB; Pillow BILINEAR to %d x %d; (value / 255 - mean) / std", side, side),
		"mean":            numbers(mean),
		"std":             numbers(std),
		"image":           strings.ToValidUTF8(w.input.path, "\uFFFD"),
		"width":           strconv.Itoa(w.decoded.Width),
		"height":          strconv.Itoa(w.decoded.Height),
	}, nil
}

func numbers(list [3]float32) string { return fmt.Sprintf("%v,%v,%v", list[0], list[1], list[2]) }

// jsonFeatures is the JSON line of a picture.
type jsonFeatures struct {
	Image      string        `json:"image"`
	Width      int           `json:"width"`
	Height     int           `json:"height"`
	Format     string        `json:"format"`
	Backbone   string        `json:"backbone"`
	Features   []jsonFeature `json:"features"`
	Provenance *madeBy       `json:"provenance"`
	ElapsedMS  float64       `json:"elapsed_ms"`
}

type jsonFeature struct {
	Layer string `json:"layer"`
	Shape []int  `json:"shape"`
	File  string `json:"file"`
}

func (a *app) featuresJSON(s *featureSource, bar *progress) func(*work[*extracted]) error {
	return func(w *work[*extracted]) error {
		if w.err != nil {
			return a.failureJSON(bar, w.input.path, w.err)
		}
		sum, err := s.sha256()
		if err != nil {
			return err
		}
		line := jsonFeatures{
			Provenance: &madeBy{version(), s.engine, []localize.WeightsFile{{Name: filepath.Base(s.backbone.Path()), SHA256: sum}}},
			Image:      w.input.path, Width: w.decoded.Width, Height: w.decoded.Height, Format: w.decoded.Format,
			Backbone: s.backbone.Arch(), ElapsedMS: localize.Milliseconds(w.elapsed),
		}
		for i, layer := range s.layers {
			line.Features = append(line.Features, jsonFeature{layer, w.result.shapes[i], w.result.files[i]})
		}
		return printJSON(bar, a.stdout, line)
	}
}

func (a *app) featuresText(s *featureSource, bar *progress) func(*work[*extracted]) error {
	return func(w *work[*extracted]) error {
		if w.err != nil {
			return a.reportFailure(bar, w.input.path, w.err)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s: %s (%d x %d, %d ms)\n", w.input.path, s.backbone.Arch(), w.decoded.Width, w.decoded.Height, w.elapsed.Milliseconds())
		for i, layer := range s.layers {
			fmt.Fprintf(&b, "  %s %v: %s\n", layer, w.result.shapes[i], w.result.files[i])
		}
		return bar.printf(a.stdout, "%s", b.String())
	}
}
