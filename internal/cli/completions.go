package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/dataset"
	"github.com/declip/declip/internal/forge"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/study"
	"github.com/declip/declip/internal/train"
)

// flagCompletions are the fixed values of flags, by the flag's name. Values that are names of data
// sets, models or files are completed in other ways.
func flagCompletions() map[string][]string {
	return map[string][]string{
		"arch":          {"ViT-L/14", "RN50", "ViT-L/14,RN50", network.ArchXception, network.ArchLite, network.ArchCATNet, network.ArchCATNetDCT, network.ArchPSCCNet},
		"augment":       {"none", "blur", "color_jitter", "jpeg_compression", "all"},
		"best-by":       {"iou", "f1", train.ByAP, "balanced"},
		"cache-dtype":   {"fp32", "fp16"},
		"decoder":       {network.DecoderLinear, network.DecoderAttention, "conv-4", "conv-12", "conv-20", network.DecoderContext, network.DecoderPyramid},
		"detectors":     localize.Detectors(),
		"device":        {"auto", "cpu", "cuda:0"},
		"formats":       forge.Formats(),
		"layout":        dataset.Layouts,
		"log":           {logText, logJSON, logOff},
		"mask-channel":  {"luma", "red", "green", "blue", "alpha", "index"},
		"mask-polarity": {string(dataset.White), string(dataset.Black)},
		"methods":       append(forge.Methods(), forge.MethodLatent),
		"optimizer":     {train.AdamW, train.SGD},
		"perturb":       {"jpeg:", "blur:", "resize:", "noise:"},
		"pool":          {"max", "mean"},
		"schedule":      {"constant", train.Cosine, train.Plateau},
		"split":         {"train", "valid", "test", dataset.All},
		"supervision":   {train.Localization, train.Detection},
	}
}

// argCompletions are the completions of arguments, by the command's path.
func argCompletions() map[string]cobra.CompletionFunc {
	return map[string]cobra.CompletionFunc{
		"declip models pull":    namesOnly(published),
		"declip models verify":  namesOrFiles(modelNames),
		"declip models inspect": namesOrFiles(modelNames),
		"declip models convert": namesOrFiles(modelNames),
		"declip models export":  namesOrFiles(modelNames),
		"declip study":          namesOrFiles(func() []string { return study.Kinds }),
	}
}

// addCompletions registers the completions of all flags and arguments below a command.
func addCompletions(root *cobra.Command) {
	fixed, args := flagCompletions(), argCompletions()
	var add func(cmd *cobra.Command)
	add = func(cmd *cobra.Command) {
		register := func(flag string, complete cobra.CompletionFunc) {
			if cmd.LocalFlags().Lookup(flag) == nil {
				return
			}
			if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
				panic(fmt.Sprintf("completion of --%s: %v", flag, err)) // registered twice
			}
		}
		for _, flag := range slices.Sorted(maps.Keys(fixed)) {
			register(flag, cobra.FixedCompletions(fixed[flag], cobra.ShellCompDirectiveNoFileComp))
		}
		if cmd.Name() == "features" { // the same name for another choice
			register("format", cobra.FixedCompletions([]string{formatNPY, formatSafetensors}, cobra.ShellCompDirectiveNoFileComp))
		}
		register("model", namesOrFiles(modelNames))
		if complete := args[cmd.CommandPath()]; complete != nil {
			cmd.ValidArgsFunction = complete
		}
		for _, c := range cmd.Commands() {
			add(c)
		}
	}
	add(root)
}

// namesOnly completes names from a list.
func namesOnly(list func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return list(), cobra.ShellCompDirectiveNoFileComp
	}
}

// namesOrFiles completes names from a list and, if none fits, files.
func namesOrFiles(list func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		fits := slices.DeleteFunc(slices.Clone(list()), func(name string) bool { return !strings.HasPrefix(name, toComplete) })
		return fits, cobra.ShellCompDirectiveDefault
	}
}

// modelNames are the names that -m takes: those of built-in and installed models.
func modelNames() []string { return slices.Concat(models.Names(), models.Installed()) }
