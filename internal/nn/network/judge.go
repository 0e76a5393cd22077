package network

import "fmt"

// Judge is a logistic regression of features of a picture and its map (package localize): the
// probability is that of the logit Bias plus the sum of Weights times features.
type Judge struct {
	Features []string  `json:"features"` // their names
	Weights  []float64 `json:"weights"`  // one for each feature
	Bias     float64   `json:"bias"`
}

// SetJudge sets what judges whole pictures; nil removes it. A network that does not run in tiles is
// an error, and so is a number of weights that differs from that of the features.
func (n *Network) SetJudge(j *Judge) error {
	if err := n.tiled("whole pictures are judged by maps of the picture's own pixels"); err != nil {
		return err
	}
	if j != nil && len(j.Weights) != len(j.Features) {
		return fmt.Errorf("%d weights for %d features", len(j.Weights), len(j.Features))
	}
	n.spec.Judge = j
	return nil
}
