package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/localize"
)

// pictureJobOptions are the flags that say what a job does with its pictures.
type pictureJobOptions struct {
	options  schema.Options
	priority string
}

// AddFlags declares the flags with their defaults.
func (o *pictureJobOptions) AddFlags(f *pflag.FlagSet) {
	addThresholdFlag(f, &o.options.Threshold)
	addMaxPixelsFlag(f, &o.options.MaxPixels, localize.DefaultMaxPixels)
	f.StringVar(&o.options.Maps, "maps", schema.MapsFlagged, "`which` pictures' probability maps to store: "+strings.Join(schema.Maps, ", "))
	f.StringVar(&o.priority, "priority", string(queue.Bulk), "urgent jobs go before normal ones, and those before `bulk` ones")
}

func (o *pictureJobOptions) check(cmd *cobra.Command) error {
	switch {
	case !slices.Contains(schema.Maps, o.options.Maps):
		return usagef(cmd, "--maps %q: expected %s", o.options.Maps, strings.Join(schema.Maps, ", "))
	case !slices.Contains(queue.Priorities, queue.Priority(o.priority)):
		return usagef(cmd, "--priority %q: expected urgent, normal or bulk", o.priority)
	case o.options.MaxPixels <= 0:
		return usagef(cmd, "--max-pixels %d: expected at least 1", o.options.MaxPixels)
	}
	return checkThreshold(cmd, o.options.Threshold)
}

// digestOptions are the flags that change what localize.Digest gives.
func (o *modelOptions) digestOptions() localize.Options {
	return localize.Options{
		Arch: o.network.arch, Layer: o.network.layer, Decoder: o.network.decoder, Input: o.network.input, Backbones: o.network.clip,
		Statistics: o.network.statistics, Tiling: o.look.tiling, Thorough: o.look.thorough,
	}
}

// classOf is the class of the device that runs a model.
func classOf(model *localize.Model) queue.Class {
	if model.Info().Device == "cpu" {
		return queue.CPU
	}
	return queue.GPU
}
