package localize

import "testing"

func TestProgressOfShares(t *testing.T) {
	var got [][2]int
	ctx := WithProgress(t.Context(), func(done, total int) { got = append(got, [2]int{done, total}) })
	for k := range 3 {
		report := progressOf(withShare(ctx, k, 3))
		for done := 1; done <= 2; done++ {
			report(done, 2)
		}
	}
	for i, g := range got {
		if g != [2]int{i + 1, 6} {
			t.Errorf("call %d: %v, expected %d of 6", i, g, i+1)
		}
	}
	if len(got) != 6 {
		t.Errorf("%d calls, expected 6", len(got))
	}
	if ctx := withShare(t.Context(), 0, 3); progressOf(ctx) != nil {
		t.Error("a context without progress has one")
	}
}
