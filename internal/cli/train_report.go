package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/train"
)

// writeSettings lists the settings of a training, including the defaults.
func writeSettings(w io.Writer, c train.Config, about train.About) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row(t, "network", networkText(c, about))
	row(t, "trained", fmt.Sprintf("%d values", about.Trained))
	if c.FineTune {
		// A value, its gradient and the two moments of AdamW. The pictures' activations are extra.
		each := int64(16)
		if c.Optimizer == train.SGD {
			each = 8
		}
		row(t, "fine-tuning", fmt.Sprintf("the backbones are trained: %s for weights and optimizer state, plus activations for %s; "+
			"they run forward and backward in every step, without the feature cache", sizeText(each*int64(about.Trained)), plural(c.BatchSize, "picture")))
	}
	row(t, "data", fmt.Sprintf("%s, %s; %s", orNothing(c.Data), plural(about.Pictures, "picture"), validText(c)))
	row(t, "supervision", supervisionText(c))
	row(t, "optimizer", optimizerText(c))
	row(t, "schedule", scheduleText(c))
	row(t, "batch", fmt.Sprintf("%s; %s per epoch, at most %s", plural(c.BatchSize, "picture"), plural(int(about.PerEpoch), "step"), plural(c.Epochs, "epoch")))
	row(t, "examples", examplesText(c))
	row(t, "start", startText(c, about))
	t.Flush() // a message that cannot be written is not a reason to stop
}

func networkText(c train.Config, about train.About) string {
	text := c.Spec.String()
	switch {
	case len(about.Frozen) > 0:
		text += ", on frozen " + strings.Join(about.Frozen, " and ")
	case c.Spec.Frozen:
		text += ", the backbone frozen"
	case c.Spec.FrozenTrunk:
		text += ", the trunk frozen"
	default:
		text += ", all of it trained"
	}
	return text
}

func orNothing(s string) string {
	if s == "" {
		return "given pictures"
	}
	return s
}

func validText(c train.Config) string {
	if c.Valid == "" && c.ValidSource == nil {
		return "no validation: the latest weights count as the best"
	}
	by := c.BestBy
	if c.Supervision == train.Detection {
		by += " of whole pictures"
	}
	return fmt.Sprintf("validated on %s, best by %s", orNothing(c.Valid), by)
}

func supervisionText(c train.Config) string {
	if c.Supervision == train.Detection {
		return "detection: cross-entropy of a map's mean logit"
	}
	text := "localization: cross-entropy of each pixel"
	if c.Loss.Balanced {
		text += ", manipulated and untouched ones counting the same"
	}
	if c.Loss.Positive != 1 {
		text += fmt.Sprintf(", weight %g for manipulated ones", c.Loss.Positive)
	}
	if c.Loss.Dice > 0 {
		text += fmt.Sprintf(", %g Dice", c.Loss.Dice)
	}
	return text
}

func optimizerText(c train.Config) string {
	text := fmt.Sprintf("adamw, rate %g, betas 0.9 and 0.999, weight decay %g", c.LR, c.WeightDecay)
	if c.Optimizer == train.SGD {
		text = fmt.Sprintf("sgd without momentum, rate %g, weight decay %g", c.LR, c.WeightDecay)
	}
	if c.Clip > 0 {
		text += fmt.Sprintf(", gradient norm limited to %g", c.Clip)
	}
	if c.Average > 0 {
		text += fmt.Sprintf(", weights averaged with decay %g", c.Average)
	}
	return text
}

func scheduleText(c train.Config) string {
	switch c.Schedule {
	case train.Plateau:
		return "plateau: the rate is divided by 10 after 5 epochs without improvement; training ends below 1e-6"
	case train.Cosine:
		return fmt.Sprintf("cosine, after %s of warm-up", plural(int(c.Warmup), "step"))
	}
	return c.Schedule
}

func examplesText(c train.Config) string {
	text := fmt.Sprintf("resized to %d x %d, augmentation %s", c.Spec.Input, c.Spec.Input, kindText(c.Augment.Kind))
	if c.Spec.Input == 0 {
		text = fmt.Sprintf("crops of %d x %d, augmentation %s", c.CropSize, c.CropSize, kindText(c.Augment.Kind))
	}
	a := c.Augment
	for _, more := range []struct {
		on   bool
		text string
	}{{a.Turn, "flipped and rotated"}, {a.Tone > 0, fmt.Sprintf("tone %g", a.Tone)}, {a.Noise > 0, fmt.Sprintf("noise %g", a.Noise)},
		{a.JPEG > 0, fmt.Sprintf("jpeg %g of quality %d to %d", a.JPEG, a.JPEGLow, a.JPEGHigh)}} {
		if more.on {
			text += ", " + more.text
		}
	}
	return text
}

func kindText(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func startText(c train.Config, about train.About) string {
	if r := about.Resumed; r != nil {
		return fmt.Sprintf("resumed at step %d of %d, after %s", r.Step, about.Steps, plural(r.Epoch, "epoch"))
	}
	if c.Init != "" {
		return fmt.Sprintf("from %s; seed %d", c.Init, c.Seed)
	}
	text := "decoder N(0, 0.02), biases uniform"
	if c.Spec.Decoder == network.DecoderConv3 {
		text = "decoder normal by fan-out, biases 0"
	}
	if c.Spec.Input == 0 {
		text = "new random weights"
	}
	if c.Backbone != "" {
		text += ", backbone from " + c.Backbone
	}
	return fmt.Sprintf("%s; seed %d, %s", text, c.Seed, plural(c.Threads, "thread"))
}
