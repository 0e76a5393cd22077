package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/models/convert"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/weights"
)

// convertOptions are the flags of "declip models convert".
type convertOptions struct {
	networkOptions
	out  string
	fp16 bool
}

func (a *app) newModelsConvert() *cobra.Command {
	var o convertOptions
	cmd := &cobra.Command{
		Use:   "convert NAME|FILE -o FILE.safetensors [flags]",
		Short: "Write what inference needs of a model as safetensors",
		Long: `Write the tensors that a network is made of to a safetensors file, and leave out
what inference does not need: the text tower, the optimizer, the layers behind
the one that the decoder reads. A decoder that comes without its backbones gets
them into the same file. The result is recognised as the same model, holds the
same numbers byte for byte, and gives the same answer.

With --fp16 matrices and kernels are stored in half precision, which halves the
file; the result is run beside the original, and refused if a probability is off
by more than 0.02.

A backbone without a decoder is converted as well; --layer cuts it.`,
		Example: `  declip models convert declip-vit-ldm -o ldm.safetensors --fp16`,
		Args:    oneModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := required(cmd, "out"); err != nil {
				return err
			}
			return wrongNetwork(cmd, o.networkOptions, a.runModelsConvert(cmd.Context(), o, args[0]))
		},
	}
	o.AddFlags(cmd.Flags())
	cmd.Flags().StringVarP(&o.out, "out", "o", "", "file for the result")
	cmd.Flags().BoolVar(&o.fp16, "fp16", false, "store matrices and kernels in half precision")
	return cmd
}

func (a *app) runModelsConvert(ctx context.Context, o convertOptions, name string) error {
	x, err := a.toWrite(o.networkOptions, name, o.out)
	if err != nil {
		return err
	}
	defer x.close()
	source := convert.Source{File: x.file, Model: x.model}
	switch x.kind {
	case kindBackbone:
		source.Backbones, source.Layer = x.contents.Backbones, o.layer
	case kindModel:
	default:
		return x.reason()
	}
	options := convert.SafetensorsOptions{Halves: o.fp16}
	if o.fp16 && x.model != nil {
		if options.Engine, err = a.referenceEngine(); err != nil {
			return fmt.Errorf("comparing the result with the original: %w", err)
		}
	}
	report, err := convert.Safetensors(ctx, o.out, source, options)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s: %s, %s, %d tensors (%s: %s, %d tensors)\n",
		o.out, x.holds(), sizeText(report.Size), report.Tensors, name, sizeText(x.size), len(x.file.Names()))
	if report.Compared {
		fmt.Fprintf(a.stdout, "in half precision probabilities are off by %.2g at most, on %d test pictures\n", report.Difference, convert.Pictures)
	}
	return nil
}

// toWrite opens a model that is to be written in another form to out, which must not be one of its own files.
func (a *app) toWrite(o networkOptions, name, out string) (*examined, error) {
	if err := folderOf(out); err != nil { // said before the work, not after it
		return nil, fmt.Errorf("output folder: %w", err)
	}
	x, err := examine(name, o)
	if err != nil {
		return nil, err
	}
	for _, f := range x.opened {
		if sameFile(f, out) {
			x.close()
			return nil, fmt.Errorf("%s is what is converted: choose another file with -o", out)
		}
	}
	if x.problem != nil {
		x.close()
		return nil, x.problem
	}
	return x, nil
}

func sameFile(f *weights.File, path string) bool {
	a, err := os.Stat(f.Path())
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// reason says why a file that is no model cannot be used as one.
func (x *examined) reason() error {
	switch x.kind {
	case kindDecoder:
		return sayClip(x.lacking)
	case kindBackbone:
		return fmt.Errorf("%s holds %s: it localizes nothing", x.file.Path(), x.holds())
	}
	return fmt.Errorf("%s holds %s", x.file.Path(), x.holds())
}

// referenceEngine is what results are compared on.
func (a *app) referenceEngine() (*engine.Engine, error) {
	return engine.Open(engine.Options{Library: a.library, Device: "cpu"})
}
