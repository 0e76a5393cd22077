package raster

import (
	"math"
	"testing"
)

func TestFrom16(t *testing.T) {
	for v := range 65536 {
		if got, want := From16(uint16(v)), uint8(math.Round(float64(v)/257)); got != want {
			t.Fatalf("%d becomes %d, want %d", v, got, want)
		}
	}
}

func TestWarn(t *testing.T) {
	m := New(2, 3, 3)
	for i := range 100 {
		m.Warn("row %d", i/2)
	}
	if len(m.Warnings) != maxWarnings || m.Warnings[0] != "row 0" || m.Warnings[1] != "row 1" {
		t.Errorf("warnings %q, want the first %d, each once", m.Warnings, maxWarnings)
	}
	if len(m.Pix) != 18 || len(m.Row(2)) != 6 {
		t.Errorf("%d samples, %d in a row", len(m.Pix), len(m.Row(2)))
	}
}

func TestFromInk(t *testing.T) {
	for _, c := range []struct{ ink, want [4]uint8 }{
		{[4]uint8{0, 0, 0, 0}, [4]uint8{255, 255, 255}},
		{[4]uint8{255, 0, 0, 0}, [4]uint8{0, 255, 255}},
		{[4]uint8{0, 0, 0, 255}, [4]uint8{0, 0, 0}},
		{[4]uint8{128, 64, 0, 127}, [4]uint8{64, 96, 128}},
	} {
		var got [4]uint8
		FromInk(got[:3], c.ink[:])
		if got != c.want {
			t.Errorf("ink %v becomes %v, want %v", c.ink, got, c.want)
		}
	}
}
