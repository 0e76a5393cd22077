package report

import (
	"fmt"
	"strings"
)

// words describes a treatment.
func (t Treatment) words() string {
	switch t.Kind {
	case "":
		return "untreated"
	case "jpeg":
		return "JPEG, quality " + t.Strength
	case "webp":
		return "WebP, quality " + t.Strength
	case "blur":
		return "blur, sigma " + t.Strength
	case "resize":
		return "resized by " + t.Strength
	case "noise":
		return "noise, sigma " + t.Strength
	}
	return t.String()
}

// percent is a value with its unit and interval: "62.1 % (95 % interval 60.0 to 64.2)".
func percent(e Estimate) string {
	return iou.Format(e.Mean) + " %" + interval(e)
}

// points is the size of a difference with its interval, without the sign.
func points(e Estimate) string {
	if e.Mean < 0 {
		e.Mean, e.Low, e.High = -e.Mean, -e.High, -e.Low
	}
	return iou.Format(e.Mean) + " points" + interval(e)
}

// interval is the interval of an estimate in brackets; "" if it has none.
func interval(e Estimate) string {
	if !e.HasInterval() {
		return ""
	}
	return fmt.Sprintf(" (95 %% interval %s to %s)", iou.Format(e.Low), iou.Format(e.High))
}

// unsettled reports whether the interval of a difference contains 0.
func unsettled(e Estimate) bool { return e.HasInterval() && e.Low <= 0 && e.High >= 0 }

// Summary is the study's results in sentences.
func (a *Analysis) Summary() []string {
	var list []string
	switch a.Kind {
	case Layers, Decoders, Backbones:
		list = a.variantWords()
	case Robustness:
		list = a.robustWords()
	case Figure2:
		list = a.methodWords()
	default:
		list = a.crossWords()
	}
	if missing := a.Missing(); len(missing) > 0 {
		list = append(list, fmt.Sprintf("%d of %d cells (a model on a test set) are missing, for the reasons given below. The averages are over the other cells.",
			len(missing), a.cellCount()))
	}
	return list
}

func (a *Analysis) crossWords() (list []string) {
	v, t := a.Variants[0], a.Treatments[0]
	id, od := a.ID(v, t, iou.Key), a.OOD(v, t, iou.Key)
	if id.Known() {
		list = append(list, fmt.Sprintf("On the kind of manipulation it was trained on (in-domain, the diagonal of the table), "+
			"a model reaches an IoU of %s on average.", percent(id)))
	}
	if od.Known() && id.Known() {
		list = append(list, fmt.Sprintf("On the other kinds (out-of-domain, off the diagonal) it reaches %s.", percent(od)), a.gapWords(v, t))
	} else if od.Known() {
		list = append(list, fmt.Sprintf("The models reach an IoU of %s on average.", percent(od)))
	}
	list = append(list, a.pairWords(v, t)...)
	if a.Dolos && id.Known() && od.Known() {
		list = append(list, fmt.Sprintf("For ViT-L/14 with conv-20 on the same four sets, the paper reports %.2f %% in-domain, %.2f %% out-of-domain and %.2f %% for the worst pair.",
			publishedID, publishedOOD, publishedWorst))
	}
	return list
}

// The published table of the four Dolos sets: IoU in percent.
const (
	publishedID    = 73.85
	publishedOOD   = 34.72
	publishedWorst = 4.90
)

// gapWords compares the diagonal with the rest.
func (a *Analysis) gapWords(v string, t Treatment) string {
	gap := difference(a.ID(v, t, iou.Key), a.OOD(v, t, iou.Key))
	word := "above"
	if gap.Mean < 0 {
		word = "below"
	}
	text := fmt.Sprintf("The diagonal is %s the off-diagonal by %s", word, points(gap))
	if unsettled(gap) {
		return text + ", which is not significant with this number of test pictures."
	}
	won, rows := 0, 0
	for _, train := range a.Train {
		own := a.Cell(v, train, train, t, iou.Key)
		if !own.Known() {
			continue
		}
		rows++
		best := true
		for _, test := range a.Test {
			if e := a.Cell(v, train, test, t, iou.Key); e.Known() && e.Mean > own.Mean {
				best = false
			}
		}
		if best {
			won++
		}
	}
	return text + fmt.Sprintf("; %d of %d models are best on the kind they were trained on.", won, rows)
}

// pairWords names the extremes off the diagonal.
func (a *Analysis) pairWords(v string, t Treatment) (list []string) {
	others := a.rank(v, t, iou.Key, a.pairs(false))
	if len(others) < 2 || len(a.pairs(true)) == 0 {
		return nil
	}
	high, low := others[0], others[len(others)-1]
	list = append(list, fmt.Sprintf("Training transfers best from %s to %s (%s), and least from %s to %s (%s).",
		high.train, high.test, percent(high.Estimate), low.train, low.test, percent(low.Estimate)))
	return list
}

func (a *Analysis) variantWords() (list []string) {
	what := map[string]string{Layers: "layer", Decoders: "decoder", Backbones: "backbone"}[a.Kind]
	t := a.Treatments[0]
	groups := a.groups()
	for _, g := range groups {
		best := a.bestVariant(t, iou.Key, g)
		if best == "" {
			continue
		}
		e := a.mean(best, t, iou.Key, g.pairs)
		text := fmt.Sprintf("%s, the best %s is %s with an IoU of %s", capital(g.name), what, best, percent(e))
		if next := a.runnerUp(best, g); next != "" {
			lead := difference(e, a.mean(next, t, iou.Key, g.pairs))
			text += fmt.Sprintf("; %s is second, %s lower", next, points(lead))
			if unsettled(lead) {
				text += ", which is not a significant difference"
			}
		}
		list = append(list, text+".")
	}
	if len(groups) == 2 {
		id, od := a.bestVariant(t, iou.Key, groups[0]), a.bestVariant(t, iou.Key, groups[1])
		switch {
		case id == "" || od == "":
		case id == od:
			list = append(list, fmt.Sprintf("The same %s is best in-domain and out-of-domain.", what))
		default:
			loss := difference(a.OOD(od, t, iou.Key), a.OOD(id, t, iou.Key))
			list = append(list, fmt.Sprintf("The best %s in-domain is not the best out-of-domain, where %s is %s lower.", what, id, points(loss)))
		}
	}
	return list
}

// runnerUp is the second-best variant; "" if there is none.
func (a *Analysis) runnerUp(best string, g group) string {
	next, high := "", 0.0
	for _, v := range a.Variants {
		if e := a.mean(v, a.Treatments[0], iou.Key, g.pairs); v != best && e.Known() && (next == "" || e.Mean > high) {
			next, high = v, e.Mean
		}
	}
	return next
}

func (a *Analysis) robustWords() (list []string) {
	v, none := a.Variants[0], a.Treatments[0]
	for _, g := range a.groups() {
		if e := a.mean(v, none, iou.Key, g.pairs); e.Known() {
			list = append(list, fmt.Sprintf("On untreated pictures the IoU is %s (%s).", percent(e), g.name))
		}
	}
	for _, kind := range a.treatmentKinds() {
		var parts []string
		for _, g := range a.groups() {
			base := a.mean(v, none, iou.Key, g.pairs)
			worst, low := Treatment{}, unknown()
			for _, t := range a.Treatments {
				if e := a.mean(v, t, iou.Key, g.pairs); t.Kind == kind && e.Known() && (!low.Known() || e.Mean < low.Mean) {
					worst, low = t, e
				}
			}
			if low.Known() && base.Known() {
				parts = append(parts, fmt.Sprintf("%s from %.1f to %.1f %% (%s)", g.name, base.Mean, low.Mean, worst.words()))
			}
		}
		if len(parts) > 0 {
			list = append(list, fmt.Sprintf("In the worst case, %s changes the IoU %s.", kindName(kind), strings.Join(parts, ", and ")))
		}
	}
	return list
}

// treatmentKinds lists the kinds of treatment in their order.
func (a *Analysis) treatmentKinds() (kinds []string) {
	seen := map[string]bool{"": true}
	for _, t := range a.Treatments {
		if !seen[t.Kind] {
			seen[t.Kind] = true
			kinds = append(kinds, t.Kind)
		}
	}
	return kinds
}

// kindName names a kind of treatment.
func kindName(kind string) string {
	switch kind {
	case "jpeg":
		return "JPEG compression"
	case "webp":
		return "WebP compression"
	case "blur":
		return "blurring"
	case "resize":
		return "resizing"
	case "noise":
		return "noise"
	}
	return kind
}

// capital makes the first letter upper case.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
