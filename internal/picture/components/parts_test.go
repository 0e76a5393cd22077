package components

import (
	"slices"
	"testing"
)

// at says where a drawing has one of the signs.
func at(drawing, signs string) func(int) bool {
	return func(i int) bool { return slices.Contains([]byte(signs), drawing[i]) }
}

func collect(width, height int, from, in func(int) bool) (list [][]int) {
	for part := range Of(width, height, from, in) {
		slices.Sort(part)
		list = append(list, slices.Clone(part))
	}
	return list
}

// Sides connect, corners and the ends of rows do not.
func TestOf(t *testing.T) {
	const drawing = "" +
		"xx..x" +
		"x.x.." +
		"..xxx" +
		"x...."
	got := collect(5, 4, at(drawing, "x"), at(drawing, "x"))
	want := [][]int{{0, 1, 5}, {4}, {7, 12, 13, 14}, {15}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, expected %v", got, want)
	}
}

// A part grows from its strong places over weak ones; weak ones alone are none.
func TestFrom(t *testing.T) {
	const drawing = "" +
		"x..xX" +
		"X.x.." +
		"xx..x"
	got := collect(5, 3, at(drawing, "X"), at(drawing, "xX"))
	want := [][]int{{3, 4}, {0, 5, 10, 11}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, expected %v", got, want)
	}
}

func TestEnds(t *testing.T) {
	all := func(int) bool { return true }
	none := func(int) bool { return false }
	if got := collect(0, 0, all, all); got != nil {
		t.Errorf("an empty map has parts: %v", got)
	}
	if got := collect(3, 2, none, all); got != nil {
		t.Errorf("parts without a start: %v", got)
	}
	if got := collect(1, 3, all, all); len(got) != 1 || len(got[0]) != 3 {
		t.Errorf("a column is %v, expected one part of 3", got)
	}
	for range Of(2, 2, at("x..x", "x"), at("x..x", "x")) {
		break // must end without another part
	}
}
