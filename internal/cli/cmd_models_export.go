package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models/convert"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/graph"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/picture"
)

// exportOptions are the flags of "declip models export".
type exportOptions struct {
	networkOptions
	out     string
	force   bool
	size    pixels
	compare []string
}

// exportHelp is the long help of "declip models export".
const exportHelp = `Write a model with its weights as one ONNX file (opset 17, standard operators
only), for use in other programs. The file is compared with the original and
refused if it does not give the same results. Its inputs and outputs are printed,
and stored in its description.

The input "image" is always RGB in [0, 1], float32; the file normalizes it.

  models that scale    image [N, 3, S, S], S is 224 for the published models: the
  pictures             whole picture, scaled (Pillow's bilinear filter).
                       logits and probabilities [N, 1, S', S'], S' is 256.
  models that run in   image [N, 3, height, width], sides are multiples of 8.
  tiles, such as lite  logits and probabilities [N, 1, height/4, width/4].
  cat-net              image [1, 3, height, width], coefficients and steps of the
                       JPEG file; map [1, 1, height, width].
  pscc-net             image [1, 3, height, width]; map, and score [1].
  trufor               the same, and confidence [1, 1, height, width]. It needs
                       --size.

Height and width are variable where the network allows it; --size makes a file
for one size, which some programs run faster. The file is the network alone:
declip's detectors and rules after it are not in the file. So the file's maps are
also compared with those of "declip localize", on two test pictures or those of
--compare, and both differences are printed: of the network's own map, and of the
finished map.

An ONNX file is limited to 2 GB; a larger model fits in half precision (run
"declip models convert --fp16" first).`

func (a *app) newModelsExport() *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export NAME|FILE -o MODEL.onnx [flags]",
		Short: "Export a model to ONNX",
		Long:  exportHelp,
		Example: `  declip models export declip-vit-ldm -o ldm.onnx
  declip models export trufor --size 1024x768 -o trufor.onnx`,
		Args: oneModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := required(cmd, "out"); err != nil {
				return err
			}
			err := a.runModelsExport(cmd.Context(), o, args[0])
			if errors.Is(err, network.ErrExportSize) {
				return usagef(cmd, "--size: %w", err)
			}
			return wrongNetwork(cmd, o.networkOptions, err)
		},
	}
	o.AddFlags(cmd.Flags())
	cmd.Flags().StringVarP(&o.out, "out", "o", "", "`file` for the result")
	cmd.Flags().Var(&o.size, "size", "make the file for pictures of one size (default: any size that the network takes)")
	cmd.Flags().StringArrayVar(&o.compare, "compare", nil, "`picture` to compare the file with \"declip localize\" on; repeatable (default: two test pictures)")
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
	step := 1
	if x.model.Spec().Mode == network.ModeWhole { // the file takes a picture with its margin
		step = x.model.SizeStep()
	}
	pictures, err := o.pictures(ctx, step)
	if err != nil {
		return err
	}
	e, err := a.referenceEngine()
	if err != nil {
		return fmt.Errorf("comparing the result with the original: %w", err)
	}
	var off localize.ExportDifference
	options := convert.ONNXOptions{Height: o.size.height, Width: o.size.width}
	options.Check = func(ctx context.Context, path string) (err error) {
		off, err = compareExport(ctx, e, x.model, path, pictures)
		return err
	}
	report, err := convert.ONNX(ctx, o.out, x.model, e, options)
	switch {
	case errors.Is(err, graph.ErrTooLarge):
		return fmt.Errorf("%w: convert it with \"declip models convert --fp16\" first", err)
	case errors.Is(err, network.ErrOneSize):
		return fmt.Errorf("%w: give it with --size WIDTHxHEIGHT", err)
	case err != nil:
		return err
	}
	fmt.Fprintf(a.stdout, "%s: %s, %s (%s: %s)\n", o.out, x.holds(), sizeText(report.Size), name, sizeText(x.size))
	if report.Compared {
		fmt.Fprintf(a.stdout, "compared with the original: probabilities differ by at most %.2g on %d test pictures\n", report.Difference, convert.Pictures)
	}
	printExport(a.stdout, report, off, x.model.Spec())
	return nil
}

// pictures reads the pictures of --compare, or makes test pictures of the size of the file. Sides
// are rounded up to multiples of step.
func (o *exportOptions) pictures(ctx context.Context, step int) ([]*picture.Picture, error) {
	var list []*picture.Picture
	for _, path := range o.compare {
		p, err := picture.OpenContext(ctx, path, picture.Limits{})
		if err != nil {
			return nil, err
		}
		up := func(n int) int { return (n + step - 1) / step * step }
		if w, h := up(p.Width), up(p.Height); o.size.width > 0 && (w != o.size.width || h != o.size.height) {
			return nil, fmt.Errorf("%s: picture of %d x %d pixels, and the file is for %v", path, p.Width, p.Height, &o.size)
		}
		list = append(list, p)
	}
	if list != nil {
		return list, nil
	}
	size := pixels{width: 400, height: 320}
	if o.size.width > 0 {
		size = o.size
	}
	return localize.ExportPictures(size.width, size.height)
}

// maxExported is how much the results of an exported file may differ from the network's own.
const maxExported = 1e-4

// compareExport compares an exported file with "declip localize".
func compareExport(ctx context.Context, e *engine.Engine, m *network.Pretrained, path string, pictures []*picture.Picture) (off localize.ExportDifference, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return off, err
	}
	if off, err = localize.CompareExport(ctx, e, m, data, pictures); err != nil {
		return off, fmt.Errorf("comparing the result with \"declip localize\": %w", err)
	}
	if most := max(off.Network, off.Confidence, off.Score); most > maxExported {
		return off, fmt.Errorf("%w: \"declip localize\" by %g, at most %g is allowed", convert.ErrDiffers, most, maxExported)
	}
	return off, nil
}

// printExport says what a file takes and gives, and how it differs from "declip localize".
func printExport(w io.Writer, r convert.Report, off localize.ExportDifference, spec network.Spec) {
	for _, p := range r.Inputs {
		fmt.Fprintf(w, "input %v\n", p)
	}
	for _, p := range r.Outputs {
		fmt.Fprintf(w, "output %v\n", p)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, n)
	}
	fmt.Fprintf(w, "compared with \"declip localize\" on %s: the network's map differs by at most %.2g", plural(off.Pictures, "picture"), off.Network)
	for _, port := range r.Outputs {
		switch port.Name {
		case network.PortConfidence:
			fmt.Fprintf(w, ", the confidence by %.2g", off.Confidence)
		case network.PortScore:
			fmt.Fprintf(w, ", the score by %.2g", off.Score)
		}
	}
	if spec.Mode == network.ModeTiles {
		fmt.Fprintf(w, ", the finished map by %.2g%s", off.Map, whyMap(off, spec))
	}
	if spec.Judge != nil {
		fmt.Fprint(w, "; the file gives no score")
	}
	fmt.Fprintln(w)
}

// whyMap says why the finished map differs from the file's.
func whyMap(off localize.ExportDifference, spec network.Spec) string {
	switch {
	case off.Map <= maxExported:
		return ""
	case len(spec.Detectors) > 0 || spec.Blobs:
		return ", because of what is not in the file"
	}
	return ", because declip runs tiles of another size"
}
