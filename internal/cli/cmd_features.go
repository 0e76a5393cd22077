package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
)

// featuresOptions are the flags of "declip features".
type featuresOptions struct {
	model, arch string
	layers      []string
	engine      engineOptions
	featureFiles
	json      bool
	batch     int
	maxPixels int64
}

// AddFlags declares the flags with their defaults.
func (o *featuresOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.model, "model", "m", "ViT-L/14", "backbone, or model with one: a file, or a name in the models folder")
	f.StringVar(&o.arch, "arch", "", "which backbone, where the file holds several")
	f.StringSliceVar(&o.layers, "layer", nil, "layer, as layer20; repeatable (default: the one that the model's decoder reads, else the last)")
	f.StringVarP(&o.out, "out", "o", "declip-features", "folder for the results; made if need be")
	f.StringVar(&o.format, "format", formatNPY, "npy (a file for each layer) or safetensors (a file for each picture)")
	f.BoolVar(&o.half, "fp16", false, "write float16 instead of float32")
	f.BoolVar(&o.tokens, "tokens", false, "write a transformer's tokens [T, C], the class token first, instead of maps")
	f.BoolVar(&o.json, "json", false, "print one JSON object a line instead of text")
	addBatchFlag(f, &o.batch)
	f.Int64Var(&o.maxPixels, "max-pixels", localize.DefaultMaxPixels, "refuse larger pictures (width times height) by their header")
	o.engine.AddFlags(f)
}

func (o *featuresOptions) check(cmd *cobra.Command) error {
	switch {
	case o.format != formatNPY && o.format != formatSafetensors:
		return usagef(cmd, "--format %q: expected %s or %s", o.format, formatNPY, formatSafetensors)
	case o.maxPixels <= 0:
		return usagef(cmd, "--max-pixels %d: expected at least 1", o.maxPixels)
	case o.out == "":
		return usagef(cmd, "--out is empty")
	}
	if err := checkBatch(cmd, o.batch); err != nil {
		return err
	}
	return checkThreads(cmd, o.engine.threads)
}

func (a *app) newFeatures() *cobra.Command {
	var o featuresOptions
	cmd := &cobra.Command{
		Use:   "features [flags] PATH...",
		Short: "Write what a backbone sees in pictures, at one or several layers",
		Long: `Run pictures through a backbone and write its features at the layers asked for,
all from one pass that ends at the last of them. A PATH is a picture or a folder,
as for "declip localize".

The picture is scaled to the backbone's input (224 x 224 pixels for ViT-L/14) and
normalised, as for localizing. Features are a map [C, H, W]: of a transformer the
tokens of the patches in their places, without the class token and without the
final norm, [1024, 16, 16] at the layers layer0 to layer23 of ViT-L/14; of RN50
its stages, layer1 [256, 56, 56] to layer4 [2048, 7, 7]. With --tokens they are a
transformer's tokens as they are, [257, 1024], the class token first.

For a picture STEM.jpg the output folder (-o) receives

  STEM.LAYER.npy    for each layer, float32, or float16 with --fp16
  STEM.safetensors  with --format safetensors instead: a tensor for each layer,
                    and as metadata the backbone, the SHA-256 of its file, the
                    layers, the preprocessing, and the picture with its size

The backbone (-m) is a CLIP file or any model with a backbone in it.

A picture that cannot be read is reported and the others go on; the exit code is
then 1.`,
		Example: `  declip features --layer layer20 photo.jpg
  declip features -m declip-vit-ldm --layer layer8 --layer layer20 --format safetensors --fp16 photos/`,
		Args: somePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return a.runFeatures(cmd, o, args)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runFeatures(cmd *cobra.Command, o featuresOptions, paths []string) error {
	saveMemory()
	file, err := models.Open(o.model)
	if err != nil {
		return err
	}
	defer file.Close()
	source, err := a.featureSource(cmd, &o, file)
	if err != nil {
		return err
	}
	inputs := collect(paths, o.out)
	nameResults(inputs, o.suffixes(source.layers))
	if err := protectInputs(inputs, o.out, o.suffixes(source.layers)); err != nil {
		return err
	}
	pass, err := a.openPass(source, o.engine)
	if err != nil {
		return err
	}
	defer pass.Close()
	if err := writableFolder(o.out); err != nil {
		return err
	}
	if o.format == formatSafetensors {
		source.hashFile(cmd.Context())
	}

	bar := a.newProgress(len(inputs), "features")
	defer bar.finish()
	p := pipeline[*extracted]{
		maxPixels: o.maxPixels, batch: o.batch, bar: bar,
		process: source.extractWith(pass, o.tokens), report: a.featuresText(source, bar),
		write: func(w *work[*extracted]) error { return o.write(source, w) },
	}
	if o.json {
		p.report = a.featuresJSON(source, bar)
	}
	failed, err := p.run(cmd.Context(), inputs)
	bar.finish()
	if err != nil {
		return err
	}
	return a.tell(failed, len(inputs))
}

// featureSource is where features come from.
type featureSource struct {
	backbone *network.Backbone
	layers   []string
	shapes   []network.Features
	// sha256 is the digest of the backbone's file once it is known; see hashFile.
	sha256 func() (string, error)
}

// featureSource finds the backbone in a file, and checks the layers.
func (a *app) featureSource(cmd *cobra.Command, o *featuresOptions, file *weights.File) (*featureSource, error) {
	contents, err := network.Recognise(file)
	if err != nil {
		return nil, err
	}
	s := &featureSource{layers: o.layers}
	if s.backbone, err = contents.Backbone(o.arch); err != nil {
		if errors.Is(err, network.ErrSpec) {
			return nil, usagef(cmd, "%w", err)
		}
		return nil, err
	}
	if len(s.layers) == 0 {
		all := s.backbone.Layers()
		s.layers = all[len(all)-1:]
		if slices.Contains(all, contents.Stated.Layer) {
			s.layers = []string{contents.Stated.Layer}
		}
	}
	for i, layer := range s.layers {
		shape, err := s.backbone.Features(layer)
		switch {
		case layer == "":
			return nil, usagef(cmd, "--layer is empty")
		case slices.Contains(s.layers[:i], layer):
			return nil, usagef(cmd, "--layer %s is given twice", layer)
		case err != nil:
			return nil, usagef(cmd, "--layer %s: %w", layer, err)
		case o.tokens && !shape.Tokens:
			return nil, usagef(cmd, "--tokens: %s has none, its features are maps", s.backbone.Arch())
		}
		s.shapes = append(s.shapes, shape)
	}
	return s, s.backbone.Check(s.layers...)
}

func (a *app) openPass(s *featureSource, o engineOptions) (*localize.Pass, error) {
	e, err := engine.Open(engine.Options{Library: a.library, Device: o.device, Threads: o.threads})
	if err != nil {
		return nil, err
	}
	return localize.NewPass(e, s.backbone, s.layers, localize.LoadOptions{LowMemory: o.lowMemory})
}

// extracted are a picture's features, and what became of them.
type extracted struct {
	values [][]float32 // for each layer, in shape
	shapes [][]int
	files  []string // parallel to values
}

// extractWith runs the backbone in a pipeline.
func (s *featureSource) extractWith(pass *localize.Pass, tokens bool) func(context.Context, []*picture.Picture) ([]*extracted, error) {
	return func(ctx context.Context, pictures []*picture.Picture) ([]*extracted, error) {
		pixels := make([]*picture.RGB, len(pictures))
		for i, p := range pictures {
			pixels[i] = p.RGB
		}
		out, err := pass.Run(ctx, pixels)
		if err != nil {
			return nil, err
		}
		list := make([]*extracted, len(pictures))
		for i := range list {
			list[i] = &extracted{}
			for k, layer := range s.layers {
				all := out[layer].Float32s()
				size := len(all) / len(pictures)
				values, shape := all[i*size:][:size], out[layer].Shape()[1:]
				if s.shapes[k].Tokens && !tokens {
					values, shape = tokenMap(values, s.shapes[k])
				}
				list[i].values, list[i].shapes = append(list[i].values, values), append(list[i].shapes, shape)
			}
		}
		return list, nil
	}
}

// tokenMap brings tokens [1 + H W, C], the class token's first, to a map [C, H, W].
func tokenMap(tokens []float32, f network.Features) ([]float32, []int) {
	places := f.Height * f.Width
	values := make([]float32, f.Channels*places)
	for i := range places {
		for c, v := range tokens[(1+i)*f.Channels:][:f.Channels] {
			values[c*places+i] = v
		}
	}
	return values, []int{f.Channels, f.Height, f.Width}
}

// hashFile begins to compute the digest of the backbone's file.
func (s *featureSource) hashFile(ctx context.Context) {
	var sum string
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		sum, err = fileDigest(ctx, s.backbone.Path(), func(int64, int64) {})
	}()
	s.sha256 = func() (string, error) {
		<-done
		if err != nil {
			return "", fmt.Errorf("digest of the backbone: %w", err)
		}
		return sum, nil
	}
}
