package network

import (
	"fmt"
	"strings"
)

// ShiftLogits adds by to every logit that the network gives, through the bias of its last layer,
// and returns that parameter. After the last layer the map is only enlarged with weights that sum
// to one, so that the shift is exact. A probability p becomes 1 / (1 + exp(-(logit(p) + by))).
func (n *Network) ShiftLogits(by float64) (Param, error) {
	if n.spec.Mode == ModeWhole {
		return Param{}, fmt.Errorf("%v can't be calibrated: choose a threshold instead", n.spec)
	}
	if len(n.params) == 0 {
		return Param{}, fmt.Errorf("%v has no parameters", n.spec)
	}
	// Parameters are in the order of the layers, a layer's bias after its weight.
	last := &n.params[len(n.params)-1]
	if size := len(last.Data); !strings.HasSuffix(last.Name, ".bias") || size != 1 && size != 4 {
		return Param{}, fmt.Errorf("%v ends with parameter %q of shape %v, expected a bias of one value, or of a cell's four", n.spec, last.Name, last.Shape)
	}
	for i, v := range last.Data {
		last.Data[i] = float32(float64(v) + by)
	}
	return *last, nil
}
