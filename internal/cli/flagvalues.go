package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// byteSize is the value of a flag with a number of bytes, such as 500MB or 20GiB.
type byteSize int64

// unitLetters are the first letters of units: of 1000 before B, of 1024 alone or before iB.
const unitLetters = "KMGT"

// maxByteSize is the largest size that a flag takes.
const maxByteSize = 1 << 62

// Set implements pflag.Value.
func (s *byteSize) Set(text string) error {
	errFormat := errors.New("expected a size such as 32MiB or 20GB")
	upper := strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	number := strings.TrimRight(upper, "BIKMGT")
	factor, ok := unitFactor(upper[len(number):])
	value, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(value*factor >= 1 && value*factor < maxByteSize) {
		return errFormat
	}
	*s = byteSize(value * factor)
	return nil
}

// unitFactor is the number of bytes of a unit in capital letters.
func unitFactor(unit string) (factor float64, ok bool) {
	if unit == "" || unit == "B" {
		return 1, true
	}
	power := strings.IndexByte(unitLetters, unit[0]) + 1
	base := map[string]float64{"": 1024, "IB": 1024, "B": 1000}[unit[1:]]
	factor = 1
	for range power {
		factor *= base
	}
	return factor, power > 0 && base > 0
}

// String implements pflag.Value.
func (s *byteSize) String() string {
	if *s == 0 {
		return ""
	}
	for i, letter := range slices.Backward([]byte(unitLetters)) {
		if unit := byteSize(1) << (10 * (i + 1)); *s%unit == 0 {
			return fmt.Sprintf("%d%ciB", *s/unit, letter)
		}
	}
	return fmt.Sprintf("%dB", *s)
}

// Type implements pflag.Value.
func (s *byteSize) Type() string { return "size" }

// interval is the value of a flag with two whole numbers, MIN,MAX.
type interval struct{ low, high *int }

// String implements pflag.Value.
func (v *interval) String() string {
	if v.low == nil {
		return ""
	}
	return fmt.Sprintf("%d,%d", *v.low, *v.high)
}

// Set implements pflag.Value. One number alone sets both.
func (v *interval) Set(text string) error {
	low, high, two := strings.Cut(text, ",")
	if !two {
		high = low
	}
	a, errLow := strconv.Atoi(strings.TrimSpace(low))
	b, errHigh := strconv.Atoi(strings.TrimSpace(high))
	if errLow != nil || errHigh != nil {
		return errors.New("expected MIN,MAX, two whole numbers")
	}
	*v.low, *v.high = a, b
	return nil
}

// Type implements pflag.Value.
func (v *interval) Type() string { return "MIN,MAX" }

// tiles is the value of a flag with the side of tiles and, if it is given, their overlap.
type tiles struct{ size, overlap *int }

// String implements pflag.Value.
func (v *tiles) String() string {
	if v.size == nil || *v.size == 0 {
		return ""
	}
	return fmt.Sprintf("%d,%d", *v.size, *v.overlap)
}

// Set implements pflag.Value.
func (v *tiles) Set(text string) error {
	size, overlap, two := strings.Cut(text, ",")
	a, err := strconv.Atoi(strings.TrimSpace(size))
	b := 0
	if two && err == nil {
		b, err = strconv.Atoi(strings.TrimSpace(overlap))
	}
	if err != nil || a < 1 || two && b < 1 {
		return errors.New("expected SIZE or SIZE,OVERLAP, whole numbers of pixels")
	}
	*v.size, *v.overlap = a, b
	return nil
}

// Type implements pflag.Value.
func (v *tiles) Type() string { return "SIZE,OVERLAP" }

// span is the value of a flag with two numbers, MIN,MAX.
type span struct{ low, high *float64 }

// String implements pflag.Value.
func (v *span) String() string {
	if v.low == nil {
		return ""
	}
	return fmt.Sprintf("%g,%g", *v.low, *v.high)
}

// Set implements pflag.Value.
func (v *span) Set(text string) error {
	low, high, _ := strings.Cut(text, ",")
	a, errLow := strconv.ParseFloat(strings.TrimSpace(low), 64)
	b, errHigh := strconv.ParseFloat(strings.TrimSpace(high), 64)
	if errLow != nil || errHigh != nil {
		return errors.New("expected MIN,MAX, two numbers")
	}
	*v.low, *v.high = a, b
	return nil
}

// Type implements pflag.Value.
func (v *span) Type() string { return "MIN,MAX" }

// pixels is the value of a flag with the size of a picture, WIDTHxHEIGHT.
type pixels struct{ width, height int }

// String implements pflag.Value.
func (v *pixels) String() string {
	if v.width == 0 {
		return ""
	}
	return fmt.Sprintf("%dx%d", v.width, v.height)
}

// Set implements pflag.Value.
func (v *pixels) Set(text string) error {
	across, down, _ := strings.Cut(strings.ToLower(text), "x")
	width, errWidth := strconv.Atoi(across)
	height, errHeight := strconv.Atoi(down)
	if errWidth != nil || errHeight != nil || width < 1 || height < 1 {
		return errors.New("expected WIDTHxHEIGHT in pixels, such as 1024x768")
	}
	*v = pixels{width, height}
	return nil
}

// Type implements pflag.Value.
func (v *pixels) Type() string { return "WIDTHxHEIGHT" }
