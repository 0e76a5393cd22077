package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/models/convert"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/network"
)

// exportOptions are the flags of "declip models export".
type exportOptions struct {
	networkOptions
	out   string
	force bool
}

func (a *app) newModelsExport() *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export NAME|FILE -o MODEL.onnx [flags]",
		Short: "Export a model to ONNX",
		Long: `Write a model with its weights as one ONNX file (opset 17, standard operators
only), for use in other programs. The file is compared with the original and
refused if it does not give the same results.

Input
  image          float32 [N, 3, S, S]: RGB in [0, 1]; the model normalizes it.
                 S is 224 for the published models, which see the whole picture
                 scaled to S x S (Pillow's bilinear filter). For models that
                 run in tiles, it is the side of a tile.
Outputs, maps of S' x S' (256 x 256 for the published models)
  logits         float32 [N, 1, S', S']
  probabilities  float32 [N, 1, S', S'], in [0, 1]: that a pixel was manipulated

N is variable. An ONNX file is limited to 2 GB; a larger model fits in half
precision (run "declip models convert --fp16" first).`,
		Example: `  declip models export declip-vit-ldm -o ldm.onnx`,
		Args:    oneModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := required(cmd, "out"); err != nil {
				return err
			}
			return wrongNetwork(cmd, o.networkOptions, a.runModelsExport(cmd.Context(), o, args[0]))
		},
	}
	o.AddFlags(cmd.Flags())
	cmd.Flags().StringVarP(&o.out, "out", "o", "", "`file` for the result")
	addForceFlag(cmd.Flags(), &o.force)
	return cmd
}

func (a *app) runModelsExport(ctx context.Context, o exportOptions, name string) error {
	x, err := a.toWrite(o.networkOptions, name, o.out, o.force)
	if err != nil {
		return err
	}
	defer x.close()
	if x.kind != kindModel {
		return x.reason()
	}
	e, err := a.referenceEngine()
	if err != nil {
		return fmt.Errorf("comparing the result with the original: %w", err)
	}
	report, err := convert.ONNX(ctx, o.out, x.model, e)
	if errors.Is(err, graph.ErrTooLarge) {
		return fmt.Errorf("%w: convert it with \"declip models convert --fp16\" first", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s: %s, %s (%s: %s)\n", o.out, x.holds(), sizeText(report.Size), name, sizeText(x.size))
	fmt.Fprintf(a.stdout, "compared with the original: probabilities differ by at most %.2g on %d test pictures\n", report.Difference, convert.Pictures)
	fmt.Fprintf(a.stdout, "input %s, outputs %s and %s: see \"declip models export --help\"\n",
		network.PortImage, network.PortLogits, network.PortProbabilities)
	return nil
}
