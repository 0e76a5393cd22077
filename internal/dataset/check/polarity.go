package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/dataset"
)

// Guess is the probable polarity of a set's masks.
type Guess struct {
	Set    string           `json:"set,omitempty"`
	Masks  int              `json:"masks"`   // examined: those with both kinds of pixels
	ReadAs dataset.Polarity `json:"read_as"` // white: 255 = manipulated
	Guess  dataset.Polarity `json:"guess"`   // "" if undecided
	Reason string           `json:"reason"`
	Advice string           `json:"advice"`
}

// guess estimates the polarity of each set's masks. A manipulated region is mostly the smaller part
// of a picture and seldom touches most of its border. If both hold for one colour in nearly all
// masks, this colour marks what was manipulated.
func (r *Report) guess(all []looked) {
	sets := map[string][]looked{}
	for _, l := range all {
		if l.mask != nil && l.mask.White > 0 && l.mask.White < 1 {
			sets[l.item.Set] = append(sets[l.item.Set], l)
		}
	}
	for set, list := range sets {
		g := guessOf(list)
		g.Set = set
		if g.Guess != "" && g.Guess != g.ReadAs {
			name := "masks"
			if set != "" {
				name = "masks of " + set
			}
			text := fmt.Sprintf("seem to be inverted: %s; pass --mask-polarity %s", g.Reason, g.Guess)
			r.Findings = append(r.Findings, Finding{Polarity, name, text, true})
		}
		r.Polarity = append(r.Polarity, g)
	}
	slices.SortFunc(r.Polarity, func(a, b Guess) int { return cmp.Compare(a.Set, b.Set) })
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Wrong), rank(b.Wrong)), cmp.Compare(a.Kind, b.Kind))
	})
}

// rank sorts what is wrong first.
func rank(wrong bool) int {
	if wrong {
		return 0
	}
	return 1
}

// sure is the share of the masks that must agree.
const sure = 0.8

// guessOf estimates the polarity of the masks of one set.
func guessOf(list []looked) Guess {
	white, black := 0, 0
	border, area, inverted := 0.0, 0.0, 0
	for _, l := range list {
		m := l.mask
		switch m.Polarity() {
		case dataset.White:
			white++
		case dataset.Black:
			black++
		}
		border += m.Border / float64(len(list))
		area += m.White / float64(len(list))
		if l.item.Inverted {
			inverted++
		}
	}
	g := Guess{Masks: len(list), ReadAs: dataset.White}
	if 2*inverted > len(list) {
		g.ReadAs = dataset.Black
	}
	agree, colour := white, "white"
	if black > white {
		agree, colour = black, "black"
		border, area = 1-border, 1-area
	}
	g.Reason = fmt.Sprintf("in %d of %d masks %s is the smaller part and off most of the border (on average %.0f %% of the area, %.0f %% of the border)",
		agree, len(list), colour, 100*area, 100*border)
	if float64(agree) < sure*float64(len(list)) {
		g.Advice = fmt.Sprintf("cannot be decided from the masks; they are read as %s = manipulated: look at the sheet (--sheet)", g.ReadAs)
		return g
	}
	if g.Guess = dataset.White; colour == "black" {
		g.Guess = dataset.Black
	}
	g.Advice = fmt.Sprintf("%s = manipulated, as they are read", g.Guess)
	if g.Guess != g.ReadAs {
		g.Advice = fmt.Sprintf("probably %s = manipulated, but they are read as %s: pass --mask-polarity %s", g.Guess, g.ReadAs, g.Guess)
	}
	return g
}
