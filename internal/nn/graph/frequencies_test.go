package graph

import (
	"strings"
	"testing"
)

// Its values are compared in packages operators and network.
func TestFrequencyFeaturesErrors(t *testing.T) {
	for _, c := range []struct {
		want   string
		height int
		shapes [6][]int
	}{
		{"multiples of 8", 12, [6][]int{{5, 21, 3, 3}, {5}, {5}, {4, 5, 1, 1}, {4}, {4}}},
		{"kernel has shape [5 20 3 3]", 8, [6][]int{{5, 20, 3, 3}, {5}, {5}, {4, 5, 1, 1}, {4}, {4}}},
		{"scale has shape [4], expected [5]", 8, [6][]int{{5, 21, 3, 3}, {4}, {5}, {4, 5, 1, 1}, {4}, {4}}},
		{"second kernel has shape [4 6 1 1]", 8, [6][]int{{5, 21, 3, 3}, {5}, {5}, {4, 6, 1, 1}, {4}, {4}}},
		{"at most 8", 8, [6][]int{{5, 21, 3, 3}, {5}, {5}, {9, 5, 1, 1}, {9}, {9}}},
		{"no gradient", 8, [6][]int{{5, 21, 3, 3}, {5}, {5}, {4, 5, 1, 1}, {4}, {4}}},
	} {
		g := New()
		var p []*Node
		for i, shape := range c.shapes {
			p = append(p, g.Param(string(rune('a'+i)), shape...))
		}
		y := FrequencyFeatures(g.Input("x", Open, 1, c.height, 16), p[0], p[1], p[2], p[3], p[4], p[5])
		if g.Err() == nil {
			Gradients(ReduceSum(y, nil, false), p[:1])
		}
		if err := g.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, expected %q", err, c.want)
		}
	}
}
