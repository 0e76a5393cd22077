package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/engine"
	"github.com/declip/declip/internal/nn/network"
)

// networkOptions are the flags that override what is detected from a model's file.
type networkOptions struct {
	arch, layer, decoder string
	input                int
	statistics           string
	clip                 []string
}

// AddFlags declares the flags with their defaults.
func (o *networkOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.arch, "arch", "", "backbone, such as ViT-L/14, RN50, ViT-L/14,RN50 or dinov3-vitl16 (default: detected from the file)")
	f.StringVar(&o.layer, "layer", "", "layer of the backbone that the decoder reads, such as layer20 (default: detected from the file)")
	f.StringVar(&o.decoder, "decoder", "", "decoder: linear, attention, conv3 or conv-K (default: detected from the file)")
	f.IntVar(&o.input, "input", 0, "scale pictures to squares of `N` pixels, for pscc-net (trained at 256) and backbones of DINO (default: the model's own size)")
	addStatisticsFlag(f, &o.statistics)
	addClipFlag(f, &o.clip)
}

// addStatisticsFlag declares how pictures are normalised for backbones that are published for two
// kinds of pictures.
func addStatisticsFlag(f *pflag.FlagSet, name *string) {
	f.StringVar(name, "statistics", "", "normalise DINOv3's pictures by the statistics of imagenet or of satellite pictures (default: what the backbone's file says)")
}

// addClipFlag declares the flag for backbones in files of their own.
func addClipFlag(f *pflag.FlagSet, files *[]string) {
	f.StringArrayVar(files, "clip", nil, "`file` with a backbone that the model lacks; repeatable (default: searched in the models directory)")
}

func (o *networkOptions) override() network.Override {
	return network.Override{Arch: o.arch, Layer: o.layer, Decoder: o.decoder, Input: o.input, Statistics: o.statistics}
}

// engineOptions are the flags that control how a network runs.
type engineOptions struct {
	device    string
	threads   int
	lowMemory bool
}

// AddFlags declares the flags with their defaults.
func (o *engineOptions) AddFlags(f *pflag.FlagSet) {
	addEngineFlags(f, &o.device, &o.threads)
	f.BoolVar(&o.lowMemory, "low-memory", false,
		"map weights from their files and share them between processes: loads faster, needs less memory, runs a few percent slower")
}

// addEngineFlags declares the flags of all commands that run a network.
func addEngineFlags(f *pflag.FlagSet, device *string, threads *int) {
	f.StringVar(device, "device", "auto", "device that runs the network: auto, cpu or cuda:N")
	f.IntVar(threads, "threads", 0, "threads for the network (default: one per core)")
}

// checkThreads refuses numbers of threads that the engine would refuse later.
func checkThreads(cmd *cobra.Command, threads int) error {
	if most := engine.MaxThreads(); threads < 0 || threads > most {
		return usagef(cmd, "--threads %d: expected 0 to %d", threads, most)
	}
	return nil
}

// modelOptions are the flags that choose the models and how they run.
type modelOptions struct {
	models  []string
	network networkOptions
	look    lookOptions
	engine  engineOptions
}

// lookOptions are the flags that make models look at pictures in another way than they usually do.
type lookOptions struct {
	tiling   localize.Tiling
	thorough bool
}

// AddFlags declares the flags with their defaults.
func (o *lookOptions) AddFlags(f *pflag.FlagSet) {
	t := &o.tiling
	f.BoolVar(&o.thorough, "thorough", false,
		"show pictures in four orientations to a model that runs over their own pixels, such as lite: a better map for two to three times the time")
	f.Var(&tiles{&t.Size, &t.Overlap}, "tiles",
		"run a model that scales pictures over squares of `SIZE` of their own pixels, as SIZE or SIZE,OVERLAP: small edits stay visible")
	f.StringVar(&t.Context, "context", localize.ContextNone,
		"with --tiles: none, or join the map of the scaled whole picture, by the mean or the max of the probabilities")
}

// AddFlags declares the flags with their defaults.
func (o *modelOptions) AddFlags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.models, "model", "m", []string{models.Default},
		"`model`: built-in name, file, or name in the models directory; repeatable: the result is the mean")
	o.network.AddFlags(f)
	o.look.AddFlags(f)
	o.engine.AddFlags(f)
}

func (o *modelOptions) check(cmd *cobra.Command) error { return checkThreads(cmd, o.engine.threads) }

// open opens the models, with the other options of o.
func (a *app) open(cmd *cobra.Command, m modelOptions, o localize.Options) (*localize.Model, error) {
	o.Library, o.Device, o.Threads, o.LowMemory = a.library, m.engine.device, m.engine.threads, m.engine.lowMemory
	o.Arch, o.Layer, o.Decoder, o.Input, o.Backbones = m.network.arch, m.network.layer, m.network.decoder, m.network.input, m.network.clip
	o.Statistics = m.network.statistics
	o.Notice, o.Tiling, o.Thorough, o.Program = a.notice, m.look.tiling, m.look.thorough, version()
	model, err := localize.OpenSeveral(m.models, o)
	if errors.Is(err, localize.ErrTiling) {
		return nil, usagef(cmd, "--tiles: %w", err)
	}
	if errors.Is(err, localize.ErrThorough) {
		return nil, usagef(cmd, "--thorough: %w", err)
	}
	return model, wrongNetwork(cmd, m.network, sayClip(err))
}

// sayClip adds how to name the backbones that a decoder lacks.
func sayClip(err error) error {
	if needs := (*network.MissingBackboneError)(nil); errors.As(err, &needs) {
		return fmt.Errorf("%w (name one with --clip FILE)", err)
	}
	return err
}

// wrongNetwork turns an error about a network that was asked for by flags into wrong usage.
func wrongNetwork(cmd *cobra.Command, o networkOptions, err error) error {
	if errors.Is(err, network.ErrSpec) && o.override() != (network.Override{}) {
		return usagef(cmd, "%w", err)
	}
	return err
}
