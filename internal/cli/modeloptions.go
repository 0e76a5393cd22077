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

// networkOptions are the flags that say what a model's file does not, or replace
// what it says.
type networkOptions struct {
	arch, layer, decoder string
	clip                 []string
}

// AddFlags declares the flags with their defaults.
func (o *networkOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.arch, "arch", "", "backbone, as ViT-L/14, RN50 or ViT-L/14,RN50 (default: what the file holds)")
	f.StringVar(&o.layer, "layer", "", "layer of the backbone that the decoder reads, as layer20 (default: what the file says)")
	f.StringVar(&o.decoder, "decoder", "", "decoder: linear, attention or conv-K (default: what the file holds)")
	addClipFlag(f, &o.clip)
}

// addClipFlag declares the flag for backbones beside a model.
func addClipFlag(f *pflag.FlagSet, files *[]string) {
	f.StringArrayVar(files, "clip", nil, "file with a backbone that a model comes without; repeatable (default: the models folder)")
}

func (o *networkOptions) override() network.Override {
	return network.Override{Arch: o.arch, Layer: o.layer, Decoder: o.decoder}
}

// engineOptions are the flags that say how a network is run.
type engineOptions struct {
	device    string
	threads   int
	lowMemory bool
}

// AddFlags declares the flags with their defaults.
func (o *engineOptions) AddFlags(f *pflag.FlagSet) {
	addEngineFlags(f, &o.device, &o.threads)
	f.BoolVar(&o.lowMemory, "low-memory", false,
		"leave weights in their files, mapped and shared between processes: loads at once, takes less memory, runs some per cent slower")
}

// addEngineFlags declares what the commands that run a network share.
func addEngineFlags(f *pflag.FlagSet, device *string, threads *int) {
	f.StringVar(device, "device", "auto", "what runs the network: auto, cpu, cuda:N")
	f.IntVar(threads, "threads", 0, "threads for the network (default: as many as there are cores)")
}

// checkThreads refuses what the engine would.
func checkThreads(cmd *cobra.Command, threads int) error {
	if most := engine.MaxThreads(); threads < 0 || threads > most {
		return usagef(cmd, "--threads %d: expected 0 to %d", threads, most)
	}
	return nil
}

// modelOptions are the flags that choose the models that localize.
type modelOptions struct {
	models  []string
	network networkOptions
	engine  engineOptions
}

// AddFlags declares the flags with their defaults.
func (o *modelOptions) AddFlags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.models, "model", "m", []string{models.Default},
		"model: a built-in name, a file, or a name in the models folder; repeatable: the result is the mean")
	o.network.AddFlags(f)
	o.engine.AddFlags(f)
}

func (o *modelOptions) check(cmd *cobra.Command) error { return checkThreads(cmd, o.engine.threads) }

// open opens the models. What else is in the options is kept.
func (a *app) open(cmd *cobra.Command, m modelOptions, o localize.Options) (*localize.Model, error) {
	o.Library, o.Device, o.Threads, o.LowMemory = a.library, m.engine.device, m.engine.threads, m.engine.lowMemory
	o.Arch, o.Layer, o.Decoder, o.Backbones = m.network.arch, m.network.layer, m.network.decoder, m.network.clip
	model, err := localize.OpenSeveral(m.models, o)
	return model, wrongNetwork(cmd, m.network, sayClip(err))
}

// sayClip adds how to give a decoder the backbones that it lacks.
func sayClip(err error) error {
	if needs := (*network.MissingBackboneError)(nil); errors.As(err, &needs) {
		return fmt.Errorf("%w (--clip FILE gives one)", err)
	}
	return err
}

// wrongNetwork makes wrong usage of an error about a network that was asked for
// and cannot be.
func wrongNetwork(cmd *cobra.Command, o networkOptions, err error) error {
	if errors.Is(err, network.ErrSpec) && o.override() != (network.Override{}) {
		return usagef(cmd, "%w", err)
	}
	return err
}
