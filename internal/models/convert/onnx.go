package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/numeric"
)

// maxExported is how much the probabilities of an exported model may differ from the original's.
// The arithmetic is the same except that the model normalises its input and sums in another order.
const maxExported = 1e-4

// ONNXOptions are the choices for ONNX.
type ONNXOptions struct {
	// Height and Width are those of pictures, in pixels. 0 and 0: any size if the network allows it,
	// otherwise the size that it scales pictures to. A network that has neither is network.ErrOneSize.
	Height, Width int
	// Check, if set, compares the file at path with the original before it gets its name. It is the
	// only comparison of a network of network.ModeWhole, and of one that runs in tiles if the file is
	// for one size.
	Check func(ctx context.Context, path string) error
}

// ONNX writes a model, weights included, as one ONNX file (opset 17, standard operators). Its
// inputs and outputs are those of network.Pretrained.Export; the file's description names them. The
// file is loaded and compared with the original before it appears at path. For a model that would
// exceed 2 GiB the error wraps graph.ErrTooLarge.
func ONNX(ctx context.Context, path string, m *network.Pretrained, e *engine.Engine, o ONNXOptions) (Report, error) {
	if o.Height == 0 && o.Width == 0 {
		o.Height, o.Width = m.Spec().Input, m.Spec().Input
	}
	program, err := m.Export(o.Height, o.Width)
	if err != nil {
		return Report{}, err
	}
	kept, err := m.Tensors()
	if err != nil {
		return Report{}, err
	}
	report := Report{Tensors: len(kept)}
	report.describe(m, o)
	program.ONNX = graph.Describe(program.ONNX, report.description(m))
	inputs := &stretches{folder: program.Folder, open: map[string]*os.File{}}
	defer inputs.close()
	fill := func(w io.Writer) error {
		return graph.Inline(&interruptible{ctx, w}, program.ONNX, inputs.stretch)
	}
	check := func(temporary string) error {
		info, err := os.Stat(temporary)
		if err != nil {
			return err
		}
		report.Size = info.Size()
		if m.Spec().Mode == network.ModeResize || m.Spec().Mode == network.ModeTiles && o.Height == 0 {
			if err := checkONNX(ctx, temporary, m, e, &report); err != nil {
				return err
			}
		}
		if o.Check == nil {
			return nil
		}
		return o.Check(ctx, temporary)
	}
	return report, files.WriteChecked(path, fill, check)
}

// checkONNX compares the file at path with the original on square pictures of the network's size.
func checkONNX(ctx context.Context, path string, m *network.Pretrained, e *engine.Engine, r *Report) error {
	want, err := original(ctx, e, m)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	size := side(m)
	out, err := run(ctx, e, network.Program{ONNX: data}, probes(size), size)
	if err != nil {
		return err
	}
	probabilities := out[network.PortProbabilities].Float32s()
	for i, v := range out[network.PortLogits].Float32s() {
		if d := float64(probabilities[i]) - numeric.Sigmoid(float64(v)); !(d <= 1e-6 && d >= -1e-6) {
			return fmt.Errorf("%w: probability %g for the logit %g", ErrDiffers, probabilities[i], v)
		}
	}
	r.Compared = true
	if r.Difference, err = difference(want, out[network.PortLogits].Float32s()); err != nil {
		return err
	}
	if r.Difference > maxExported {
		return fmt.Errorf("%w: probabilities differ by %g, at most %g is allowed", ErrDiffers, r.Difference, maxExported)
	}
	return nil
}

// stretches reads parts of files in a directory and keeps the files open.
type stretches struct {
	folder string
	open   map[string]*os.File
}

func (s *stretches) stretch(location string, offset, length int64) io.Reader {
	f, ok := s.open[location]
	if !ok {
		var err error
		if f, err = os.Open(filepath.Join(s.folder, filepath.FromSlash(location))); err != nil {
			return failing{err}
		}
		s.open[location] = f
	}
	return io.NewSectionReader(f, offset, length)
}

func (s *stretches) close() error {
	var errs []error
	for _, f := range s.open {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// failing is a reader that returns an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
