package dataset

import (
	"fmt"
	"image/color"
	"slices"
	"strconv"
	"strings"
)

// Channel is the part of a mask file that marks what was manipulated.
type Channel string

// The channels. The zero value is the grey level, or for a mask of two colours the colour.
const (
	ChannelAuto  Channel = ""
	ChannelLuma  Channel = "luma" // ITU-R 601, as Pillow's convert("L")
	ChannelRed   Channel = "red"
	ChannelGreen Channel = "green"
	ChannelBlue  Channel = "blue"
	ChannelAlpha Channel = "alpha"
	ChannelIndex Channel = "index" // the number of a palette's entry
)

// Channels lists the names that ParseChannel reads.
var Channels = []Channel{ChannelLuma, ChannelRed, ChannelGreen, ChannelBlue, ChannelAlpha, ChannelIndex}

// ParseChannel reads one of Channels, or "" for ChannelAuto.
func ParseChannel(text string) (Channel, error) {
	c := Channel(strings.ToLower(strings.TrimSpace(text)))
	if c == "auto" {
		return ChannelAuto, nil
	}
	if c != ChannelAuto && !slices.Contains(Channels, c) {
		return "", fmt.Errorf("mask channel %q: expected luma, red, green, blue, alpha or index", text)
	}
	return c, nil
}

// MaskRule says how the values of mask files are read. The zero value recognises what is
// unambiguous and refuses the rest.
type MaskRule struct {
	Channel Channel
	Values  Values // which values mean manipulated; the zero value: recognised
}

// Values are the values of a mask that mean manipulated.
type Values struct {
	text   string
	ranges [][2]int
	colour []color.RGBA
}

// IsZero reports that no values are given.
func (v Values) IsZero() bool { return v.text == "" }

// String is the text that ParseValues reads.
func (v Values) String() string { return v.text }

// ParseValues reads values separated by commas: numbers ("1"), ranges ("128-255"), "nonzero", and
// colours ("#ff0000"). Numbers are those of the file: 0 to 255, or 0 to 65535 with 16 bits.
func ParseValues(text string) (Values, error) {
	v := Values{text: strings.ToLower(strings.TrimSpace(text))}
	if v.text == "" {
		return v, nil
	}
	bad := func(word string) (Values, error) {
		return Values{}, fmt.Errorf("mask value %q: expected a number, a range such as 128-255, nonzero, or a colour such as #ff0000", word)
	}
	for _, word := range strings.Split(v.text, ",") {
		word = strings.TrimSpace(word)
		if hex, ok := strings.CutPrefix(word, "#"); ok {
			n, err := strconv.ParseUint(hex, 16, 32)
			if err != nil || len(hex) != 6 {
				return bad(word)
			}
			v.colour = append(v.colour, color.RGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 255})
			continue
		}
		if word == "nonzero" {
			v.ranges = append(v.ranges, [2]int{1, 65535})
			continue
		}
		from, to, isRange := strings.Cut(word, "-")
		if !isRange {
			to = from
		}
		low, err1 := strconv.ParseUint(from, 10, 16)
		high, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || low > high {
			return bad(word)
		}
		v.ranges = append(v.ranges, [2]int{int(low), int(high)})
	}
	if v.colour != nil && v.ranges != nil {
		return Values{}, fmt.Errorf("mask values %q: expected either numbers or colours", text)
	}
	return v, nil
}

// level reports whether a level means manipulated.
func (v Values) level(n uint16) bool {
	return slices.ContainsFunc(v.ranges, func(r [2]int) bool { return int(n) >= r[0] && int(n) <= r[1] })
}
