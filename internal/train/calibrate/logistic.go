package calibrate

import (
	"errors"
	"math"

	"github.com/declip/declip/internal/numeric"
)

// example is a picture by its features.
type example struct {
	features    []float64
	manipulated bool
}

// ridge is the penalty of the squared weights of standardised features, in examples. Features such
// as two quantiles of one map nearly agree, and without it their weights would grow against each
// other.
const ridge = 1.0

// fitLogistic fits a logistic regression by Newton's method. Manipulated and untouched examples
// have the same total weight, so that the probabilities are those of pictures of which half are
// manipulated. The weights are those of the features as given.
func fitLogistic(list []example) (weights []float64, bias float64, err error) {
	count := [2]float64{}
	for _, e := range list {
		count[index(e.manipulated)]++
	}
	if count[0] == 0 || count[1] == 0 {
		return nil, 0, errors.New("manipulated and untouched pictures are needed to judge whole pictures, and nearly all are of one kind: add pictures of the other kind")
	}
	n := len(list[0].features)
	mean, scale := moments(list, n)
	share := [2]float64{float64(len(list)) / 2 / count[0], float64(len(list)) / 2 / count[1]}
	beta := make([]float64, n+1) // the bias comes last
	row := make([]float64, n+1)
	for range 30 {
		gradient, hessian := make([]float64, n+1), make([][]float64, n+1)
		for i := range hessian {
			hessian[i] = make([]float64, n+1)
			if i < n {
				gradient[i], hessian[i][i] = ridge*beta[i], ridge
			}
		}
		for _, e := range list {
			logit := 0.0
			for i := range row {
				row[i] = 1
				if i < n {
					row[i] = (e.features[i] - mean[i]) / scale[i]
				}
				logit += beta[i] * row[i]
			}
			p, weight := numeric.Sigmoid(logit), share[index(e.manipulated)]
			for i := range row {
				gradient[i] += weight * (p - float64(index(e.manipulated))) * row[i]
				for k := range row {
					hessian[i][k] += weight * p * (1 - p) * row[i] * row[k]
				}
			}
		}
		step := solve(hessian, gradient)
		largest := 0.0
		for i := range beta {
			beta[i] -= step[i]
			largest = max(largest, math.Abs(step[i]))
		}
		if largest < 1e-9 {
			break
		}
	}
	weights, bias = make([]float64, n), beta[n]
	for i := range weights {
		weights[i] = beta[i] / scale[i]
		bias -= weights[i] * mean[i]
	}
	return weights, bias, nil
}

func index(manipulated bool) int {
	if manipulated {
		return 1
	}
	return 0
}

// moments are the features' means and standard deviations; those of a constant are 1.
func moments(list []example, n int) (mean, scale []float64) {
	mean, scale = make([]float64, n), make([]float64, n)
	for _, e := range list {
		for i, v := range e.features {
			mean[i] += v / float64(len(list))
		}
	}
	for _, e := range list {
		for i, v := range e.features {
			scale[i] += (v - mean[i]) * (v - mean[i]) / float64(len(list))
		}
	}
	for i, v := range scale {
		if scale[i] = math.Sqrt(v); scale[i] < 1e-9 {
			scale[i] = 1
		}
	}
	return mean, scale
}

// solve solves a symmetric positive definite system by Gauss's elimination with pivots. Both
// arguments are changed.
func solve(a [][]float64, b []float64) []float64 {
	n := len(b)
	for i := range n {
		pivot := i
		for k := i + 1; k < n; k++ {
			if math.Abs(a[k][i]) > math.Abs(a[pivot][i]) {
				pivot = k
			}
		}
		a[i], a[pivot], b[i], b[pivot] = a[pivot], a[i], b[pivot], b[i]
		for k := i + 1; k < n; k++ {
			by := a[k][i] / a[i][i]
			for j := i; j < n; j++ {
				a[k][j] -= by * a[i][j]
			}
			b[k] -= by * b[i]
		}
	}
	x := make([]float64, n)
	for i := n - 1; i >= 0; i-- {
		x[i] = b[i]
		for k := i + 1; k < n; k++ {
			x[i] -= a[i][k] * x[k]
		}
		x[i] /= a[i][i]
	}
	return x
}
