package schema

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
)

// checkToken refuses a text that cannot be the name of a tenant, a job or a worker: they are parts
// of subjects and of names of objects. what names it in the error.
func checkToken(what, text string) error {
	if err := queue.CheckToken(text); err != nil {
		return fmt.Errorf("%s: %w: %w", what, ErrInvalid, err)
	}
	return nil
}

// digits are those of Crockford's base 32, which leaves out the letters that look like others.
const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewID makes the identifier of a job: a ULID, which is 48 bits of the time in milliseconds and 80
// random bits, in 26 digits of base 32. Identifiers sort by the time.
func NewID(now time.Time) string {
	var bits [16]byte
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		bits[i] = byte(ms >> (40 - 8*i))
	}
	_, _ = rand.Read(bits[6:]) // never fails: the runtime ends the process instead
	text := make([]byte, 26)
	// 26 digits are 130 bits: the first digit holds the three highest bits alone.
	for i := range text {
		value := 0
		for bit := 5*i - 2; bit < 5*i+3; bit++ {
			value <<= 1
			if bit >= 0 {
				value |= int(bits[bit/8]>>(7-bit%8)) & 1
			}
		}
		text[i] = digits[value]
	}
	return string(text)
}

// checkDigest refuses what is not a SHA-256 in hexadecimal digits.
func checkDigest(what, text string) error {
	if raw, err := hex.DecodeString(text); err != nil || len(raw) != 32 {
		return invalid(what, "%.80q: expected a SHA-256 in hexadecimal digits", text)
	}
	return nil
}
