package network

import (
	"errors"
	"fmt"
	"math"
)

// ErrNaN is wrapped by errors about networks that give NaN.
var ErrNaN = errors.New("its answer is not a number (NaN): weights are damaged, or too large")

// CheckNaN refuses values with NaN among them, which a network gave: the weights are to blame, since pictures are
// finite, and what is made of the values would look like an answer. name stands for the network in the error.
func CheckNaN(name string, values []float32) error {
	for _, v := range values {
		if math.IsNaN(float64(v)) {
			return fmt.Errorf("%s: %w", name, ErrNaN)
		}
	}
	return nil
}
