package train

import (
	"slices"

	"github.com/declip/declip/internal/nn/network"
)

// average is the exponential running average of all parameters, batch norm's statistics included.
// It generalises better than the latest weights, and costs one multiplication per weight and step.
type average struct {
	decay  float64
	params []network.Param
}

func newAverage(decay float64, params []network.Param) *average {
	a := &average{decay: decay}
	for _, p := range params {
		p.Data = slices.Clone(p.Data)
		a.params = append(a.params, p)
	}
	return a
}

// add includes the parameters after the given number of steps. Early on the decay is smaller,
// (1+n)/(10+n), so that the first weights are soon forgotten.
func (a *average) add(params []network.Param, steps int64) {
	share := float32(1 - min(a.decay, float64(1+steps)/float64(10+steps)))
	for i, p := range a.params {
		data := params[i].Data[:len(p.Data)]
		for j, old := range p.Data {
			p.Data[j] = old + share*(data[j]-old)
		}
	}
}
