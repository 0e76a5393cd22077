package cli

import "testing"

func TestByteCount(t *testing.T) {
	for text, want := range map[string]int64{
		"20GB": 20e9, "20GiB": 20 << 30, "20G": 20 << 30, "1.5 MB": 1.5e6, "512": 512, "512b": 512, "3KiB": 3072, "2t": 2 << 40,
	} {
		var n int64
		if err := (byteCount{&n}).Set(text); err != nil || n != want {
			t.Errorf("%q is %d, %v, expected %d", text, n, err, want)
		}
	}
	for _, text := range []string{"", "GB", "-1GB", "0", "5XB", "5GG", "1e30TB", "NaN", "five"} {
		n := int64(7)
		if err := (byteCount{&n}).Set(text); err == nil || n != 7 {
			t.Errorf("%q was taken for %d", text, n)
		}
	}
	for want, n := range map[string]int64{"20GiB": 20 << 30, "1000B": 1000, "3KiB": 3072, "": 0} {
		if got := (byteCount{&n}).String(); got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
}
