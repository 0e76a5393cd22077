package network

import (
	"errors"
	"fmt"
	"math"
)

// ErrNaN is wrapped by errors about networks that give NaN.
var ErrNaN = errors.New("its output is not a number (NaN): weights are damaged, or too large")

// CheckNaN returns an error if values, which a network gave, contain NaN. The weights are the
// cause, since pictures are finite, and a result made of such values would look like a real one.
// The error begins with name, which names the network.
func CheckNaN(name string, values []float32) error {
	for _, v := range values {
		if math.IsNaN(float64(v)) {
			return fmt.Errorf("%s: %w", name, ErrNaN)
		}
	}
	return nil
}
