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

// ONNX writes a model, weights included, as one ONNX file (opset 17, standard operators). Its
// inputs and outputs are those of network.Pretrained.Standalone. The file is loaded and compared
// with the original before it appears at path. For a model that would exceed 2 GiB the error wraps
// graph.ErrTooLarge.
func ONNX(ctx context.Context, path string, m *network.Pretrained, e *engine.Engine) (Report, error) {
	if err := oneSize(m, "an ONNX file"); err != nil {
		return Report{}, err
	}
	size := side(m)
	program, err := m.Export(size, size)
	if err != nil {
		return Report{}, err
	}
	program.ONNX = graph.Describe(program.ONNX, description(m, size))
	kept, err := m.Tensors()
	if err != nil {
		return Report{}, err
	}
	report := Report{Tensors: len(kept)}
	inputs := &stretches{folder: program.Folder, open: map[string]*os.File{}}
	defer inputs.close()
	fill := func(w io.Writer) error {
		return graph.Inline(&interruptible{ctx, w}, program.ONNX, inputs.stretch)
	}
	check := func(temporary string) error { return checkONNX(ctx, temporary, m, e, &report) }
	return report, files.WriteChecked(path, fill, check)
}

// description tells users of the file what the model takes and returns.
func description(m *network.Pretrained, size int) string {
	return fmt.Sprintf("%v, exported by declip. Input %q: float32 [N, 3, %d, %d], RGB in [0, 1], not normalised. "+
		"Outputs %q and %q, float32 [N, 1, h, w]: the second is the probability that a pixel was manipulated.",
		m.Spec(), network.PortImage, size, size, network.PortLogits, network.PortProbabilities)
}

func checkONNX(ctx context.Context, path string, m *network.Pretrained, e *engine.Engine, r *Report) error {
	want, err := original(ctx, e, m)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r.Size = int64(len(data))
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
