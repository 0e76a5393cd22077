package cli

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/forge"
	"github.com/declip/declip/internal/forge/autoencoder"
	"github.com/declip/declip/internal/nn/engine"
)

// autoencoderOptions are the flags of "declip forge train-autoencoder".
type autoencoderOptions struct {
	photos, out string
	config      autoencoder.Config
	force       bool
	device      string
	threads     int
}

// AddFlags declares the flags with their defaults.
func (o *autoencoderOptions) AddFlags(f *pflag.FlagSet) {
	c := &o.config
	*c = autoencoder.DefaultConfig()
	f.StringVar(&o.photos, "photos", "", "`directory` of real photographs, searched recursively")
	f.StringVarP(&o.out, "out", "o", "", "`file` for the autoencoder")
	addForceFlag(f, &o.force)
	f.IntVar(&c.Steps, "steps", c.Steps, "training steps")
	f.IntVar(&c.Batch, "batch-size", c.Batch, "crops per step")
	f.IntVar(&c.Crop, "crop-size", c.Crop, "side of a crop in pixels")
	f.IntVar(&c.Shape.Channels, "channels", c.Shape.Channels, "values per cell of the latent grid; a cell represents 4 x 4 pixels")
	f.IntVar(&c.Shape.Width, "width", c.Shape.Width, "channels of the hidden layers")
	f.Float64Var(&c.LR, "lr", c.LR, "learning rate")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "seed of the weights and the random choices")
	addEngineFlags(f, &o.device, &o.threads)
}

func (a *app) newTrainAutoencoder() *cobra.Command {
	var o autoencoderOptions
	cmd := &cobra.Command{
		Use:   "train-autoencoder --photos DIR --out FILE",
		Short: "Train the autoencoder of the method latent",
		Long: `Train a small convolutional autoencoder on photographs, for "declip forge
--autoencoder". One photograph in eight is held out. The peak signal-to-noise
ratio of their reconstructions is printed.

The same photographs, options, seed and threads give the same weights.`,
		Example: `  declip forge train-autoencoder --photos photos/train --out autoencoder.safetensors`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "photos", "out"); err != nil {
				return err
			}
			if err := checkThreads(cmd, o.threads); err != nil {
				return err
			}
			return a.runTrainAutoencoder(cmd, o)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runTrainAutoencoder(cmd *cobra.Command, o autoencoderOptions) error {
	if err := checkNew(o.out, o.force); err != nil { // before the work, not after it
		return err
	}
	names, err := forge.Photos(o.photos)
	if err != nil {
		return err
	}
	for _, name := range names {
		o.config.Photos = append(o.config.Photos, filepath.Join(o.photos, filepath.FromSlash(name)))
	}
	e, err := engine.Open(engine.Options{Library: a.library, Device: o.device, Threads: o.threads})
	if err != nil {
		return err
	}
	bar := a.newSteps(o.config.Steps, "training")
	defer bar.finish()
	o.config.Step = func(done, _ int, loss float64) {
		bar.describe(fmt.Sprintf("loss %.5f", loss))
		bar.set(done)
	}
	codec, s, err := autoencoder.Train(cmd.Context(), e, o.config)
	bar.finish()
	for _, problem := range s.Unreadable {
		a.say("skipped: %v\n", problem)
	}
	if err != nil {
		return err
	}
	if err := codec.Write(o.out, s); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %d weights, trained on %d photographs in %s; %d held-out photographs are reconstructed with a PSNR of %.2f dB\n",
		o.out, s.Weights, s.Photos, s.Elapsed.Round(time.Second), s.Held, s.PSNR)
	return err
}
