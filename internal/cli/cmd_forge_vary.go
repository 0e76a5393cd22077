package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/forge"
)

// varyOptions are the flags of "declip forge vary".
type varyOptions struct{ config forge.VaryConfig }

// AddFlags declares the flags with their defaults.
func (o *varyOptions) AddFlags(f *pflag.FlagSet) {
	o.config = forge.DefaultVaryConfig()
	c := &o.config
	f.StringVar(&c.Photos, "photos", "", "`directory` of real photographs, searched recursively")
	f.StringVarP(&c.Out, "out", "o", "", "`directory` for the pictures")
	f.IntVar(&c.Copies, "copies", c.Copies, "pictures to make from each photograph")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "seed of the random choices: the same seed makes the same pictures")
	f.StringSliceVar(&c.Kinds, "kinds", nil, "`kinds` of pictures, of which one is drawn for each: "+strings.Join(forge.Kinds(), ", ")+" (default: photo)")
	f.StringSliceVar(&c.Formats, "formats", c.Formats, "file formats, separated by commas: "+strings.Join(forge.Formats(), ", "))
	f.IntVar(&c.Workers, "workers", 0, "photographs processed at once (default: one per core)")
}

func (a *app) newForgeVary() *cobra.Command {
	var o varyOptions
	cmd := &cobra.Command{
		Use:   "vary --photos DIR --out DIR",
		Short: "Make more untouched pictures from photographs",
		Long: `Make untouched pictures from real photographs, as other cameras, other light and
other editors would have produced them: cropped differently, partly out of
focus, smaller, smoothed, sharpened, with other tones, colors and noise, and
saved again. Nothing is inserted. Networks learn from them what untouched
pictures look like, and "declip forge" can manipulate them like photographs.

With --kinds, some are pictures that networks mistake for manipulated ones, since
their parts differ: screenshots, scans, documents, memes, photographs with a
compressed range of light (hdr) and with a background blurred by the camera
(portrait). One kind is drawn for each picture; a kind named twice is drawn twice
as often.

The names of the pictures begin with the number of the photograph and of the
picture; with --kinds, the kind follows.`,
		Example: `  declip forge vary --photos photos/train --out varied --copies 6
  declip forge vary --photos photos/test --out hard --copies 1 --kinds screenshot,scan,document,meme,hdr,portrait
  declip forge --photos varied --out forged --count 2000`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "photos", "out"); err != nil {
				return err
			}
			if o.config.Copies < 1 {
				return usagef(cmd, "--copies %d: expected at least 1", o.config.Copies)
			}
			if err := forge.CheckKinds(o.config.Kinds); err != nil {
				return usagef(cmd, "--kinds: %w", err)
			}
			if err := forge.CheckFormats(o.config.Formats); err != nil {
				return usagef(cmd, "--formats: %w", err)
			}
			return a.runForgeVary(cmd, o)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runForgeVary(cmd *cobra.Command, o varyOptions) error {
	bar := &progress{}
	o.config.Progress = func(done, total int) {
		if done == 1 { // the number of photographs is not known before
			bar = a.newProgress(total, "making pictures")
		}
		bar.set(done)
	}
	made, err := forge.Vary(cmd.Context(), o.config)
	bar.finish()
	a.reportSkipped(made.Unreadable)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %s from %s, %s\n",
		o.config.Out, plural(made.Made, "picture"), plural(made.Photos, "photograph"), made.Elapsed.Round(time.Millisecond))
	return err
}
