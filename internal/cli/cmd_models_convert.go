package cli

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/models/convert"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/weights"
)

// convertOptions are the flags of "declip models convert".
type convertOptions struct {
	networkOptions
	out   string
	force bool
	fp16  bool
	merge bool
}

func (a *app) newModelsConvert() *cobra.Command {
	var o convertOptions
	cmd := &cobra.Command{
		Use:   "convert NAME|FILE -o FILE.safetensors [flags]",
		Short: "Convert a model to safetensors",
		Long: `Write the tensors of a network to a safetensors file, and leave out what
inference does not need: the text tower, the optimizer, and the layers after the
one that the decoder reads. The backbones of a decoder are written to the same
file. The result is the same model with the same values, byte for byte, and
gives the same results.

--fp16 stores matrices and kernels in half precision, which halves the file. The
result is compared with the original and refused if a probability differs by
more than 0.02.

--merge adds LoRA adapters to the weights that they belong to. The result needs
no other file, is compared with the original, and can be fine-tuned.

A backbone without a decoder can be converted, too; --layer cuts it.`,
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
	cmd.Flags().StringVarP(&o.out, "out", "o", "", "`file` for the result")
	addForceFlag(cmd.Flags(), &o.force)
	cmd.Flags().BoolVar(&o.fp16, "fp16", false, "store matrices and kernels in half precision")
	cmd.Flags().BoolVar(&o.merge, "merge", false, "add LoRA adapters to the weights")
	return cmd
}

func (a *app) runModelsConvert(ctx context.Context, o convertOptions, name string) error {
	x, err := a.toWrite(o.networkOptions, name, o.out, o.force)
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
	options := convert.SafetensorsOptions{Halves: o.fp16, Merge: o.merge}
	if (o.fp16 || o.merge) && x.model != nil {
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
		fmt.Fprintf(a.stdout, "compared with the original: probabilities differ by at most %.2g on %d test pictures\n", report.Difference, convert.Pictures)
	}
	return nil
}

// toWrite opens a model to be written to out in another form. out must not be one of the model's
// files.
func (a *app) toWrite(o networkOptions, name, out string, force bool) (*examined, error) {
	x, err := examine(name, o)
	if err != nil {
		return nil, err
	}
	for _, f := range x.opened {
		if sameFile(f, out) {
			x.close()
			return nil, fmt.Errorf("%s is a file of the model itself: choose another file with -o", out)
		}
	}
	err = x.problem
	if err == nil {
		err = checkNew(out, force) // before the work, not after it
	}
	if err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

func sameFile(f *weights.File, path string) bool {
	b, err := os.Stat(path)
	return err == nil && slices.ContainsFunc(append(f.Files(), f.Path()), func(name string) bool {
		a, err := os.Stat(name)
		return err == nil && os.SameFile(a, b)
	})
}

// reason is the error of using a file that is not a model as one.
func (x *examined) reason() error {
	switch x.kind {
	case kindDecoder:
		return sayClip(x.lacking)
	case kindBackbone:
		return fmt.Errorf("%s contains %s, which cannot localize", x.file.Path(), x.holds())
	}
	return fmt.Errorf("%s contains %s", x.file.Path(), x.holds())
}

// referenceEngine is the engine on which results are compared.
func (a *app) referenceEngine() (*engine.Engine, error) {
	return engine.Open(engine.Options{Library: a.library, Device: "cpu"})
}
