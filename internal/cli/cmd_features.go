package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// featuresOptions are the flags of "declip features".
type featuresOptions struct {
	model, arch string
	layers      []string
	input       int
	statistics  string
	engine      engineOptions
	featureFiles
	json      bool
	batch     int
	maxPixels int64
}

// AddFlags declares the flags with their defaults.
func (o *featuresOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.model, "model", "m", "ViT-L/14", "backbone, or model with one: file, or name in the models directory")
	f.StringVar(&o.arch, "arch", "", "backbone to use, if the file contains several")
	f.StringSliceVar(&o.layers, "layer", nil, "layer, such as layer20; repeatable (default: the one that the model's decoder reads, or else the last)")
	f.IntVar(&o.input, "input", 0, "scale pictures to squares of `N` pixels, for backbones of DINOv2 and DINOv3 (default: the backbone's size)")
	addStatisticsFlag(f, &o.statistics)
	f.StringVarP(&o.out, "out", "o", "declip-features", "`directory` for the results, created if needed")
	f.StringVar(&o.format, "format", formatNPY, "npy (one file per layer) or safetensors (one file per picture)")
	f.BoolVar(&o.half, "fp16", false, "write float16 instead of float32")
	f.BoolVar(&o.tokens, "tokens", false, "write a transformer's tokens [T, C], class token first, instead of maps")
	f.BoolVar(&o.json, "json", false, "print one JSON object per line instead of text")
	addBatchFlag(f, &o.batch)
	addMaxPixelsFlag(f, &o.maxPixels, localize.DefaultMaxPixels)
	o.engine.AddFlags(f)
}

func (o *featuresOptions) check(cmd *cobra.Command) error {
	if o.format != formatNPY && o.format != formatSafetensors {
		return usagef(cmd, "--format %q: expected %s or %s", o.format, formatNPY, formatSafetensors)
	}
	return cmp.Or(checkOutput(cmd, o.out, o.maxPixels), checkBatch(cmd, o.batch), checkThreads(cmd, o.engine.threads))
}

// featuresHelp is the long help of "declip features".
const featuresHelp = `Run pictures through a backbone and write its features at one or more layers, all
from one pass that ends at the last of them. A PATH is a picture or a directory,
as for "declip localize".

A picture is scaled to the backbone's input (224 x 224 pixels for ViT-L/14) and
normalized, as for localizing. Features are a map [C, H, W]. A transformer's map
consists of its patch tokens, without the class token and the final norm:
[1024, 16, 16] for layer0 to layer23 of ViT-L/14. RN50's maps are its stages,
layer1 [256, 56, 56] to layer4 [2048, 7, 7]. With --tokens a transformer's
tokens are written unchanged, [257, 1024], class token first.

For a picture STEM.jpg the output directory (-o) receives

  STEM.LAYER.npy    for each layer, float32, or float16 with --fp16
  STEM.safetensors  with --format safetensors instead: one tensor per layer, and
                    metadata with the backbone, the SHA-256 of its file, the
                    layers, the preprocessing, and the picture with its size

The backbone (-m) is a CLIP file or any model with a backbone.

A picture that fails is reported and the others are still processed; the exit
code is then 1.`

func (a *app) newFeatures() *cobra.Command {
	var o featuresOptions
	cmd := &cobra.Command{
		Use:   "features [flags] PATH...",
		Short: "Export backbone features",
		Long:  featuresHelp,
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
	inputs, leftOut := collect(paths, o.out)
	for _, l := range leftOut {
		a.notice(l.String())
	}
	nameResults(inputs, o.suffixes(source.layers))
	if err := protectInputs(inputs, o.out, o.suffixes(source.layers)); err != nil {
		return err
	}
	pass, err := a.openPass(source, o.engine)
	if err != nil {
		return err
	}
	defer pass.Close()
	if err := writableDir(o.out); err != nil {
		return err
	}
	if o.format == formatSafetensors || o.json {
		source.hashFile(cmd.Context())
	}

	bar := a.newProgress(len(inputs), "features")
	defer bar.finish()
	p := pipeline[*extracted]{
		limits: picture.Limits{MaxPixels: o.maxPixels}, batch: o.batch, bar: bar,
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
	return a.summarize(failed, len(inputs))
}

// featureSource is the backbone and the layers that features are computed with.
type featureSource struct {
	backbone *network.Backbone
	layers   []string
	shapes   []network.Features
	engine   string // and its version; openPass sets it
	// sha256 waits for the digest of the backbone's file; hashFile sets it.
	sha256 func() (string, error)
}

// featureSource finds the backbone in a file and checks the layers.
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
	if s.backbone, err = s.backbone.WithStatistics(o.statistics); err != nil {
		return nil, usagef(cmd, "--statistics: %w", err)
	}
	if doubt := s.backbone.Doubt(); doubt != "" {
		a.notice(doubt)
	}
	if err := s.resize(o.input, contents.Stated.Input); err != nil {
		return nil, usagef(cmd, "--input %d: %w", o.input, err)
	}
	if len(s.layers) == 0 {
		if s.layers, err = s.defaultLayers(contents.Stated.Layer); err != nil {
			return nil, err
		}
	}
	for i, layer := range s.layers {
		if full, err := s.backbone.Layer(layer); err == nil && layer != "" {
			layer = full
			s.layers[i] = full
		}
		shape, err := s.backbone.Features(layer)
		switch {
		case layer == "":
			return nil, usagef(cmd, "--layer \"\": expected a layer such as layer20")
		case slices.Contains(s.layers[:i], layer):
			return nil, usagef(cmd, "--layer %s: given twice", layer)
		case err != nil:
			return nil, usagef(cmd, "--layer %s: %w", layer, err)
		case o.tokens && !shape.Tokens:
			return nil, usagef(cmd, "--tokens: %s has no tokens, its features are maps", s.backbone.Arch())
		}
		s.shapes = append(s.shapes, shape)
	}
	return s, s.backbone.Check(s.layers...)
}

// defaultLayers are the layers that the file's decoder reads, if it states them, or else the last.
func (s *featureSource) defaultLayers(stated string) ([]string, error) {
	list := strings.Split(stated, ",")
	known := func(name string) bool { _, err := s.backbone.Layer(name); return name != "" && err == nil }
	if slices.IndexFunc(list, func(name string) bool { return !known(name) }) < 0 {
		return list, nil
	}
	last, err := s.backbone.Layer("")
	return []string{last}, err
}

// resize makes the backbone's input a square of the side in pixels that was asked for, or else of
// the one that its file states. Backbones with an input of their own keep it.
func (s *featureSource) resize(asked, stated int) (err error) {
	side := asked
	if asked == 0 && s.backbone.AnySize() {
		side = stated
	}
	if side != 0 {
		s.backbone, err = s.backbone.At(side, side)
	}
	return err
}

func (a *app) openPass(s *featureSource, o engineOptions) (*localize.Pass, error) {
	e, err := engine.Open(engine.Options{Library: a.library, Device: o.device, Threads: o.threads})
	if err != nil {
		return nil, err
	}
	s.engine = e.Info().Name()
	return localize.NewPass(e, s.backbone, s.layers, localize.LoadOptions{LowMemory: o.lowMemory})
}

// extracted are a picture's features and their files.
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

// tokenMap rearranges tokens, those of the positions last, into a map [C, H, W].
func tokenMap(tokens []float32, f network.Features) ([]float32, []int) {
	cells := f.Height * f.Width
	values := make([]float32, f.Channels*cells)
	for i := range cells {
		for c, v := range tokens[(f.Before()+i)*f.Channels:][:f.Channels] {
			values[c*cells+i] = v
		}
	}
	return values, []int{f.Channels, f.Height, f.Width}
}

// hashFile starts to compute the digest of the backbone's file. That of several files is the digest
// of the lines with theirs.
func (s *featureSource) hashFile(ctx context.Context) {
	wait := parallel.Start(func() (string, error) {
		all := sha256.New()
		for _, path := range s.backbone.Files() {
			digest, err := fileDigest(ctx, path, func(int64, int64) {})
			if err != nil || path == s.backbone.Path() {
				return digest, err
			}
			fmt.Fprintln(all, digest)
		}
		return hex.EncodeToString(all.Sum(nil)), nil
	})
	s.sha256 = func() (string, error) {
		sum, err := wait()
		if err != nil {
			return "", fmt.Errorf("digest of the backbone: %w", err)
		}
		return sum, nil
	}
}
