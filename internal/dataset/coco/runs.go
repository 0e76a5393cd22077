package coco

import (
	"encoding/json"
	"errors"
	"fmt"
)

// runs are lengths of runs of pixels in column-major order, in turn unmarked and marked.
type runs []int

// spans implements shape.
func (r runs) spans(_, _ int, mark func(from, to int)) {
	at := 0
	for i, n := range r {
		if i%2 == 1 {
			mark(at, at+n)
		}
		at += n
	}
}

// check requires runs to cover a picture exactly.
func (r runs) check(pixels int) error {
	sum := 0
	for i, n := range r {
		if n < 0 {
			return fmt.Errorf("its run %d has the length %d", i+1, n)
		}
		if sum += n; sum > pixels || n > pixels {
			return fmt.Errorf("its run lengths go beyond the %d pixels of the picture", pixels)
		}
	}
	if sum != pixels {
		return fmt.Errorf("its run lengths cover %d of the %d pixels of the picture", sum, pixels)
	}
	return nil
}

// readCounts reads run lengths as a list, or compressed to a text.
func readCounts(raw json.RawMessage) (runs, error) {
	var list runs
	if json.Unmarshal(raw, &list) == nil {
		return list, nil
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return nil, errors.New("its counts are neither whole numbers nor a text")
	}
	return decompress(text)
}

// maxDigits bounds the digits of one compressed number: 30 bits.
const maxDigits = 6

// decompress reads the text that rleToString of pycocotools writes: numbers of five bits a digit,
// the lowest first, each digit plus 48, with 32 for "more follow". Numbers are signed, and from the
// fourth one on relative to the number two places before.
func decompress(text string) (runs, error) {
	var list runs
	for at := 0; at < len(text); {
		value, shift := 0, 0
		for more := true; more; at++ {
			if at == len(text) {
				return nil, errors.New("its compressed counts end in the middle of a number")
			}
			digit := int(text[at]) - 48
			if digit < 0 || digit > 63 {
				return nil, fmt.Errorf("its compressed counts have the character %q", text[at])
			}
			if shift == 5*maxDigits {
				return nil, fmt.Errorf("its compressed counts have a number of more than %d digits", maxDigits)
			}
			value |= (digit & 31) << shift
			shift += 5
			more = digit&32 != 0
			if !more && digit&16 != 0 {
				value |= -1 << shift
			}
		}
		if n := len(list); n > 2 {
			value += list[n-2]
		}
		list = append(list, value)
	}
	return list, nil
}
