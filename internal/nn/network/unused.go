package network

import (
	"regexp"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/weights"
)

// UnusedTensors are tensors of a file that its network does not need, for one reason.
type UnusedTensors struct {
	Why   string
	Names []string
	Size  int64 // bytes
}

// Reasons for not using a tensor, in the order in which Unused lists them.
const (
	unusedOptimizer = "state of the optimizer"
	unusedCopy      = "another copy of the network"
	unusedText      = "text tower"
	unusedLayers    = "after the last layer that is read"
	unusedTraining  = "for training only"
	unusedZero      = "biases that are zero, and their masks"
	unusedFixed     = "indices and masks that follow from the sizes"
	unusedOther     = "not part of the network"
)

var unusedOrder = []string{
	unusedOptimizer, unusedCopy, unusedText, unusedLayers, unusedTraining, unusedZero, unusedFixed, unusedOther,
}

// unusedModules are parts of the names of tensors that tell why these are not used.
var unusedModules = map[string]string{
	"num_batches_tracked": unusedTraining, "mask_token": unusedTraining, "local_cls_norm": unusedTraining, "n_averaged": unusedTraining,
	"bias_mask":    unusedZero,
	"position_ids": unusedFixed, "attn_mask": unusedFixed, "relative_position_index": unusedFixed,
	"token_embedding": unusedText, "text_projection": unusedText, "ln_final": unusedText, "text_model": unusedText, "logit_scale": unusedText,
}

// lastModules are those of backbones after their last layer.
var lastModules = []string{"norm", "layernorm", "ln_post", "post_layernorm", "proj", "attnpool", "head", "pooler", "fc", "visual_projection"}

// numbered matches the number of a layer in the name of a tensor.
var numbered = regexp.MustCompile(`(^|\.)(blocks|resblocks|layers?|layer[1-4]|block)\.?[0-9]+\.`)

// Unused groups the tensors of a file that are not among the needed ones by why they are not used.
// contents is what Recognise found, nil for another author's network. Without needed tensors there
// is no network, and the result is empty.
func Unused(f *weights.File, contents *FileContents, needed map[string]bool) (list []UnusedTensors) {
	if len(needed) == 0 {
		return nil
	}
	groups := map[string]*UnusedTensors{}
	for _, t := range f.Tensors() {
		if needed[t.Name] {
			continue
		}
		why := whyUnused(f, contents, t.Name)
		if groups[why] == nil {
			groups[why] = &UnusedTensors{Why: why}
		}
		groups[why].Names = append(groups[why].Names, t.Name)
		groups[why].Size += t.Length
	}
	for _, why := range unusedOrder {
		if g := groups[why]; g != nil {
			list = append(list, *g)
		}
	}
	return list
}

func whyUnused(f *weights.File, contents *FileContents, name string) string {
	if strings.HasPrefix(name, OptimizerPrefix) {
		return unusedOptimizer
	}
	for _, choice := range f.Choices() {
		for _, prefix := range choice.Unused {
			if prefix != "" && strings.HasPrefix(name, prefix) && !strings.HasPrefix(choice.Used, prefix) {
				return unusedCopy
			}
		}
	}
	for module := range strings.SplitSeq(name, ".") {
		if why, ok := unusedModules[module]; ok {
			return why
		}
	}
	if contents == nil {
		return unusedOther
	}
	return contents.whyUnused(name)
}

// whyUnused is for a tensor whose name alone does not tell.
func (c *FileContents) whyUnused(name string) string {
	inside := false
	for _, b := range c.Backbones {
		rest, ok := strings.CutPrefix(name, b.layout.prefix)
		if !ok {
			continue
		}
		inside = true
		first, _, _ := strings.Cut(rest, ".")
		switch {
		case b.layout.known[name]:
			return unusedZero
		case numbered.MatchString(rest) && !b.textual(rest), slices.Contains(lastModules, first):
			return unusedLayers
		}
	}
	// The text tower of CLIP is next to the vision tower, with modules of the same names.
	if !inside && len(c.Backbones) > 0 && (strings.Contains(name, "resblocks.") || strings.HasSuffix(name, "positional_embedding")) {
		return unusedText
	}
	return unusedOther
}

// textual says whether a tensor with the backbone's prefix is of a text tower: with no prefix, all
// tensors have it.
func (b *Backbone) textual(rest string) bool {
	_, clip := b.tower.(vit)
	return !clip && strings.Contains(rest, "resblocks.")
}
