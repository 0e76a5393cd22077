package dataset

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"strings"

	"github.com/declip/declip/internal/picture"
)

// MaskError is the error about a mask whose values do not show what they mean.
type MaskError struct {
	File   string
	Detail string // what is in the file
	Advice string // the options that decide
}

// Error names the file, its contents and the options.
func (e *MaskError) Error() string { return fmt.Sprintf("%s: %s: %s", e.File, e.Detail, e.Advice) }

// ReadMask reads a mask as 255 = marked, 0 = unmarked; a mask of more than two levels keeps values
// in between. It does not invert. note says what was reinterpreted; it is "" for a mask of 0 and
// 255.
//
// Without a rule these are recognised: grey levels over 127, masks of 0 and one other level,
// booleans, masks of black and one colour (also by palette), 16-bit levels, and JPEG files.
//
// Errors: *MaskError for an ambiguous mask, and those of picture.OpenStored.
func ReadMask(ctx context.Context, path string, limits picture.Limits, rule MaskRule) (mask *picture.Gray, note string, err error) {
	stored, err := picture.OpenStored(ctx, path, limits)
	if err != nil {
		return nil, "", err
	}
	return readNamed(path, stored, rule)
}

// readNamed is readStored with errors that name the mask.
func readNamed(name string, stored *picture.Stored, rule MaskRule) (*picture.Gray, string, error) {
	mask, note, err := readStored(stored, rule)
	if bad := (*MaskError)(nil); errors.As(err, &bad) {
		bad.File = name
	} else if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return mask, note, err
}

func readStored(s *picture.Stored, rule MaskRule) (*picture.Gray, string, error) {
	switch {
	case rule.Channel != ChannelAuto:
		l, err := channelOf(s.Image, rule.Channel)
		if err != nil {
			return nil, "", err
		}
		return l.read(rule.Values, s.Lossy)
	case rule.Values.colour != nil:
		return byColour(s.Image, rule.Values.colour), "", nil
	}
	if s.Lossy { // colours are rounded, too; brightness is not affected by it
		return greyOf(s.Image).read(rule.Values, true)
	}
	c := survey(s.Image)
	if p, ok := s.Image.(*image.Paletted); ok && rule.Values.ranges != nil && !c.grey {
		return indexOf(p).read(rule.Values, false)
	}
	if c.alpha {
		return readWithAlpha(s, c, rule)
	}
	return readOpaque(s.Image, c, rule)
}

// readOpaque reads a mask without regard to alpha.
func readOpaque(m image.Image, c colours, rule MaskRule) (*picture.Gray, string, error) {
	if !c.grey && rule.Values.IsZero() {
		return readColours(m, c)
	}
	return greyOf(m).read(rule.Values, false)
}

// readWithAlpha reads the colours of a mask whose alpha varies. It refuses a mask whose shape is in
// the alpha, because for some programs the opaque part is the marked one, for others the hole.
func readWithAlpha(s *picture.Stored, c colours, rule MaskRule) (*picture.Gray, string, error) {
	const advice = "pass --mask-channel alpha if opaque = manipulated, with --invert-masks if transparent = manipulated"
	if len(c.list) == 1 {
		return nil, "", &MaskError{Detail: "its colour is constant and its alpha varies", Advice: advice}
	}
	mask, note, err := readOpaque(s.Image, c, rule)
	if err != nil {
		return nil, "", &MaskError{Detail: "it has colours and an alpha that varies", Advice: advice}
	}
	alpha, err := channelOf(s.Image, ChannelAlpha)
	if err != nil {
		return nil, "", err
	}
	for i, v := range mask.Pix {
		if v > 127 && alpha.pix[i] <= alpha.most/2 {
			return nil, "", &MaskError{Detail: "it marks pixels that are transparent",
				Advice: advice + ", or --mask-channel luma to ignore alpha"}
		}
	}
	return mask, note, nil
}

// readColours reads a mask in colours: black and one other.
func readColours(m image.Image, c colours) (*picture.Gray, string, error) {
	black := color.RGBA{A: 255}
	if len(c.list) == 2 && (c.list[0] == black || c.list[1] == black) {
		mark := c.list[0]
		if mark == black {
			mark = c.list[1]
		}
		return byColour(m, []color.RGBA{mark}), fmt.Sprintf("colours black and %s: %s is read as manipulated", colourName(mark), colourName(mark)), nil
	}
	detail := fmt.Sprintf("it has more than %d colours", maxColours)
	if len(c.list) <= maxColours {
		var names []string
		for _, q := range c.list {
			names = append(names, colourName(q))
		}
		detail = "it has the colours " + strings.Join(names, ", ")
	}
	advice := "pass --mask-values with those that mean manipulated, such as '#ff0000', or --mask-channel"
	if _, ok := m.(*image.Paletted); ok {
		advice = "pass --mask-values with those that mean manipulated, such as '#ff0000', or with numbers of palette entries, or nonzero"
	}
	return nil, "", &MaskError{Detail: detail, Advice: advice}
}

func colourName(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// read applies values to levels or, without any, recognises what they mean.
func (l levels) read(v Values, lossy bool) (*picture.Gray, string, error) {
	if !v.IsZero() {
		if v.colour != nil {
			return nil, "", &MaskError{Detail: "colours are given for one channel", Advice: "pass --mask-values with numbers"}
		}
		return l.marked(v.level), "", nil
	}
	h := l.histogram()
	if lossy {
		if h.max > 0 && h.max <= l.most/2 {
			return nil, "", dark(h.max, l.most)
		}
		return l.scaled(), "", nil
	}
	if h.max == 0 {
		return l.scaled(), "", nil
	}
	// Levels of 0 and one other: the other one marks. A mask of nothing but 1 marks all.
	two := h.levels == 2 && h.count[0] > 0 || h.levels == 1 && h.max == 1
	low := h.max <= 127 || h.max > 255 && h.max <= 32767
	switch {
	case two && (low || h.max > 255 && h.max != l.most):
		return l.marked(func(n uint16) bool { return n == h.max }), fmt.Sprintf("values 0 and %d: %d is read as manipulated", h.max, h.max), nil
	case low:
		return nil, "", dark(h.max, l.most)
	case h.labels():
		return nil, "", &MaskError{Detail: "its values are label numbers and 255", Advice: "pass --mask-values with those that mean manipulated, such as 1 or 255"}
	case h.max <= 255: // also in 16 bits, where it is the range of 8 bits
		return l.low(), "", nil
	}
	return l.scaled(), "16-bit values: over 32767 is read as manipulated", nil
}

func dark(highest, most uint16) error {
	return &MaskError{
		Detail: fmt.Sprintf("its values go up to %d only, but over %d counts as manipulated", highest, most/2),
		Advice: "pass --mask-values with those that mean manipulated, such as 1 or nonzero",
	}
}
