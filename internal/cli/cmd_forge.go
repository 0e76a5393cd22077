package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
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
	f.StringVar(&c.Photos, "photos", "", "folder of real photographs, walked")
	f.StringVar(&c.Out, "out", "", "folder to write images/, masks/ and manifest.jsonl to")
	f.StringSliceVar(&c.Methods, "methods", c.Methods, "ways of manipulating, separated by commas; latent is one more, with --autoencoder")
	f.IntVar(&c.Count, "count", c.Count, "how many pictures to make")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "what the random choices start from: the same seed makes the same pictures")
	f.Var(&o.size, "size", "shortest and longest larger side of a picture, in pixels")
	f.Var(&o.jpeg, "jpeg", "lowest and highest JPEG quality")
	f.Float64Var(&c.Treated, "treated", c.Treated, "share of pictures treated as a whole afterwards: blur, noise, resampling, recompression")
	f.Float64Var(&c.Pristine, "pristine", c.Pristine, "share of untouched pictures with empty masks, 0 to 1")
	o.share = span{&c.ShareMin, &c.ShareMax}
	f.Var(&o.share, "share", "smallest and largest share of a picture that is manipulated")
	f.StringVar(&o.autoencoder, "autoencoder", "", "autoencoder for the method latent, as \"declip forge train-autoencoder\" makes")
	f.Float64Var(&c.PasteBack, "paste-back", 0, "share of the latent pictures in which the rest is the photograph's own, not the decoder's, 0 to 1")
	f.IntVar(&c.Workers, "workers", c.Workers, "pictures made at once (default: as many as there are cores)")
}

func (a *app) newForge() *cobra.Command {
	var o forgeOptions
	cmd := &cobra.Command{
		Use:   "forge --photos DIR --out DIR",
		Short: "Make manipulated pictures with exact masks out of real photographs",
		Long: `Make manipulated pictures out of real photographs, to train networks on and to
measure them with. The output folder receives images/, masks/ (255 =
manipulated) and manifest.jsonl, which says for each picture the method, the
photographs it is made of and the parameters.

The method latent works as inpainting by latent diffusion does: the picture is
taken to the latent grid of an autoencoder, masked cells of that get other
contents, and all of it is decoded. So all of the picture carries the decoder's
traces, and only the masked region shows something else. The autoencoder is
made by "declip forge train-autoencoder" and given with --autoencoder.`,
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
			if err := o.config.Validate(); err != nil {
				return usagef(cmd, "%w", err)
			}
			return a.runForge(cmd, o)
		},
	}
	o.AddFlags(cmd.Flags())
	cmd.AddCommand(a.newTrainAutoencoder(), a.newForgeVary())
	return cmd
}

// openCodec loads the autoencoder, if one is given.
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
	a.sayLeftOut(made.Unreadable)
	if err != nil {
		return err
	}
	var parts []string
	for _, method := range slices.Sorted(maps.Keys(made.ByMethod)) {
		parts = append(parts, fmt.Sprintf("%s %d", method, made.ByMethod[method]))
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %d pictures (%s) out of %d photographs, %.1f %% of the pixels manipulated, %s\n",
		o.config.Out, made.Made, strings.Join(parts, ", "), made.Photos, 100*made.MeanShare, made.Elapsed.Round(time.Millisecond))
	return err
}

// sayLeftOut names the photographs that could not be used.
func (a *app) sayLeftOut(photos []forge.Failure) {
	for _, f := range photos {
		fmt.Fprintf(a.stderr, "declip: left out: %v\n", f.Err)
	}
}

// interval is a flag's value of the form MIN,MAX.
type interval struct{ low, high *int }

// String is the value as it is typed.
func (v *interval) String() string {
	if v.low == nil {
		return ""
	}
	return fmt.Sprintf("%d,%d", *v.low, *v.high)
}

// Set reads MIN,MAX; one number alone stands for both.
func (v *interval) Set(text string) error {
	low, high, two := strings.Cut(text, ",")
	if !two {
		high = low
	}
	a, errLow := strconv.Atoi(strings.TrimSpace(low))
	b, errHigh := strconv.Atoi(strings.TrimSpace(high))
	if errLow != nil || errHigh != nil {
		return fmt.Errorf("expected MIN,MAX, two whole numbers")
	}
	*v.low, *v.high = a, b
	return nil
}

// Type is what the help calls the value.
func (v *interval) Type() string { return "MIN,MAX" }

// span is interval for numbers that are not whole.
type span struct{ low, high *float64 }

// String is the value as it is typed.
func (v *span) String() string {
	if v.low == nil {
		return ""
	}
	return fmt.Sprintf("%g,%g", *v.low, *v.high)
}

// Set reads MIN,MAX.
func (v *span) Set(text string) error {
	low, high, _ := strings.Cut(text, ",")
	a, errLow := strconv.ParseFloat(strings.TrimSpace(low), 64)
	b, errHigh := strconv.ParseFloat(strings.TrimSpace(high), 64)
	if errLow != nil || errHigh != nil {
		return fmt.Errorf("expected MIN,MAX, two numbers")
	}
	*v.low, *v.high = a, b
	return nil
}

// Type is what the help calls the value.
func (v *span) Type() string { return "MIN,MAX" }
