package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/forge"
	"github.com/declip/declip/internal/forge/autoencoder"
	"github.com/declip/declip/internal/nn/engine"
)

// forgeOptions are the flags of "declip forge".
type forgeOptions struct {
	config      forge.Config
	size, jpeg  interval
	share       span
	autoencoder string
}

// AddFlags declares the flags with their defaults.
func (o *forgeOptions) AddFlags(f *pflag.FlagSet) {
	c := &o.config
	*c = forge.DefaultConfig()
	o.size, o.jpeg = interval{&c.SizeMin, &c.SizeMax}, interval{&c.JPEGMin, &c.JPEGMax}
	section(f, "Input and output", func(f *pflag.FlagSet) {
		f.StringVar(&c.Photos, "photos", "", "`directory` of real photographs, searched recursively")
		f.StringVarP(&c.Out, "out", "o", "", "`directory` for images/, masks/ and manifest.jsonl")
		f.IntVar(&c.Count, "count", c.Count, "number of pictures to make")
		f.Uint64Var(&c.Seed, "seed", c.Seed, "seed of the random choices: the same seed makes the same pictures")
		f.IntVar(&c.Workers, "workers", c.Workers, "pictures made at once (default: one per core)")
	})
	section(f, "Manipulations", func(f *pflag.FlagSet) {
		f.StringSliceVar(&c.Methods, "methods", c.Methods, "methods, separated by commas; latent is another one, which needs --autoencoder")
		o.share = span{&c.ShareMin, &c.ShareMax}
		f.Var(&o.share, "share", "smallest and largest share of a picture that is manipulated")
		f.Float64Var(&c.Pristine, "pristine", c.Pristine, "share of untouched pictures with empty masks, 0 to 1")
		f.StringVar(&o.autoencoder, "autoencoder", "", "autoencoder `file` for the method latent, made by \"declip forge train-autoencoder\"")
		f.Float64Var(&c.PasteBack, "paste-back", 0, "share of latent pictures that keep the photograph's pixels outside the mask, 0 to 1")
	})
	section(f, "Finish", func(f *pflag.FlagSet) {
		f.Var(&o.size, "size", "smallest and largest longer side of a picture, in pixels")
		f.Var(&o.jpeg, "jpeg", "lowest and highest JPEG quality")
		f.StringSliceVar(&c.Formats, "formats", c.Formats, "file formats, separated by commas: "+strings.Join(forge.Formats(), ", ")+"; with webp or avif, --histories has steps in them, too")
		f.BoolVar(&c.Histories, "histories", false, "compress hosts, donors and results as cameras, editors and platforms do; replaces --jpeg")
		f.Float64Var(&c.Treated, "treated", c.Treated, "share of pictures processed as a whole afterwards: blur, noise, resampling, recompression")
	})
}

func (a *app) newForge() *cobra.Command {
	var o forgeOptions
	cmd := &cobra.Command{
		Use:   "forge --photos DIR --out DIR",
		Short: "Make manipulated pictures with exact masks from photographs",
		Long: `Make manipulated pictures from real photographs, for training and measuring
networks. The output directory receives images/, masks/ (255 = manipulated) and
manifest.jsonl, which records the method, the photographs and the parameters of
each picture.

The method latent works like inpainting by latent diffusion: the picture is
encoded to the latent grid of an autoencoder, the masked cells of the grid get
other contents, and the whole grid is decoded. The whole picture then carries
the decoder's traces, and only the masked region shows something else. "declip
forge train-autoencoder" makes the autoencoder; name it with --autoencoder.`,
		Example: `  declip forge --photos photos/train --out forged --count 2000 --pristine 0.2
  declip forge train-autoencoder --photos photos/train --out autoencoder.safetensors
  declip forge --photos photos/train --out latent --methods latent --autoencoder autoencoder.safetensors`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "photos", "out"); err != nil {
				return err
			}
			if err := a.openCodec(cmd, &o); err != nil {
				return err
			}
			if err := o.check(cmd); err != nil {
				return usagef(cmd, "%w", err)
			}
			return a.runForge(cmd, o)
		},
	}
	o.AddFlags(cmd.Flags())
	cmd.AddCommand(a.newTrainAutoencoder(), a.newForgeVary())
	return cmd
}

// check reports the first setting that cannot be used.
func (o *forgeOptions) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("jpeg") && !slices.Contains(o.config.Formats, forge.FormatJPEG) {
		return fmt.Errorf("--jpeg sets the quality of JPEG files, and --formats %s has none", strings.Join(o.config.Formats, ","))
	}
	return o.config.Validate()
}

// openCodec loads the autoencoder if --autoencoder is set.
func (a *app) openCodec(cmd *cobra.Command, o *forgeOptions) error {
	if o.autoencoder == "" {
		if slices.Contains(o.config.Methods, forge.MethodLatent) {
			return usagef(cmd, "--methods %s needs --autoencoder FILE; \"declip forge train-autoencoder\" makes one", forge.MethodLatent)
		}
		return nil
	}
	if !cmd.Flags().Changed("methods") {
		o.config.Methods = append(forge.Methods(), forge.MethodLatent)
	}
	e, err := engine.Open(engine.Options{Library: a.library, Device: "cpu"})
	if err != nil {
		return err
	}
	codec, _, err := autoencoder.Open(e, o.autoencoder)
	if err != nil {
		return err
	}
	o.config.Codec = codec
	return nil
}

func (a *app) runForge(cmd *cobra.Command, o forgeOptions) error {
	bar := a.newProgress(o.config.Count, "forging")
	defer bar.finish()
	o.config.Progress = func(done, _ int) { bar.set(done) }
	made, err := forge.Run(cmd.Context(), o.config)
	bar.finish()
	a.reportSkipped(made.Unreadable)
	if err != nil {
		return err
	}
	var parts []string
	for _, method := range slices.Sorted(maps.Keys(made.ByMethod)) {
		parts = append(parts, fmt.Sprintf("%s %d", method, made.ByMethod[method]))
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %s (%s) from %s, %.1f %% of the pixels manipulated, %s\n",
		o.config.Out, plural(made.Made, "picture"), strings.Join(parts, ", "), plural(made.Photos, "photograph"), 100*made.MeanShare, made.Elapsed.Round(time.Millisecond))
	return err
}

// reportSkipped names the photographs that could not be used.
func (a *app) reportSkipped(photos []forge.Failure) {
	for _, f := range photos {
		a.say("skipped: %v\n", f.Err)
	}
}
