package cli

import "testing"

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{
		"20GB": 20e9, "20GiB": 20 << 30, "20G": 20 << 30, "1.5 MB": 1.5e6, "1": 1, "512": 512, "32MiB": 32 << 20, "7 kB": 7000, "512b": 512, "3KiB": 3072, "2t": 2 << 40,
	} {
		var n byteSize
		if err := n.Set(text); err != nil || int64(n) != want {
			t.Errorf("%q is %d, %v, expected %d", text, n, err, want)
		}
	}
	for _, text := range []string{"", "GB", "-1GB", "0", "5XB", "5GG", "1e30TB", "NaN", "five", "MiB", "9999999999GiB"} {
		n := byteSize(7)
		if err := n.Set(text); err == nil || n != 7 {
			t.Errorf("%q is accepted as %d", text, n)
		}
	}
	for want, n := range map[string]byteSize{"20GiB": 20 << 30, "1000B": 1000, "3KiB": 3072, "": 0} {
		if got := n.String(); got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
}
