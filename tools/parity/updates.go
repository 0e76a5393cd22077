package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/train"
	"github.com/declip/declip/tools/twin"
)

const (
	gradientOf = "gradient." // the other side's prefix for the names of gradients

	sgdReach = 1e-2 // largest update of the step with plain SGD

	mostUpdate = 1e-4 // of AdamW from given gradients, relative to the rate

	// A gradient's largest distance from float64's, as a multiple of the distance of PyTorch's own
	// in float32 or of the same tensor's movement (see moved), and the distance that is allowed if
	// both are almost zero.
	mostWorse, mostGradient = 2, 1e-4
)

// updates compares all updated weights, including those with small gradients: after a step with
// plain SGD, in which a weight's difference is the gradient's times the rate, and after AdamW's
// step from PyTorch's gradients.
func (p *parity) updates(other *twin.Twin, first map[string]any, features, target []float32, moves movement) error {
	adam := first["folder"].(string)
	head, err := p.head()
	if err != nil {
		return err
	}
	if err := p.fromTheirs(head, adam); err != nil {
		return err
	}
	if head, err = p.head(); err != nil { // with its initial weights
		return err
	}
	steepest := 0.0
	for _, w := range head.Params() {
		if w.Trainable {
			g, err := twin.ReadFloats(filepath.Join(adam, gradientOf+w.Name))
			if err != nil {
				return err
			}
			steepest = max(steepest, highest(g))
		}
	}
	rate := sgdReach / steepest
	ask := func(name string, double bool) (folder string, loss float64, err error) {
		folder = filepath.Join(p.work, name)
		if err := os.Mkdir(folder, 0o755); err != nil {
			return "", 0, err
		}
		request := maps.Clone(first)
		maps.Copy(request, map[string]any{"anew": true, "optimizer": "sgd", "rate": rate, "double": double, "folder": folder})
		var answer struct{ Loss float64 }
		err = other.Ask(request, &answer)
		return folder, answer.Loss, err
	}
	plain, theirLoss, err := ask("plain", false)
	if err != nil {
		return err
	}
	exact, _, err := ask("exact", true)
	if err != nil {
		return err
	}
	sgd := train.DefaultConfig()
	sgd.Optimizer = train.SGD
	loss, after, err := p.step(head, sgd, rate, features, target)
	if err != nil {
		return err
	}
	fmt.Printf("\n%-52s %12s %16s\n", fmt.Sprintf("the same with plain SGD, rate %.3g, all values", rate), "difference", "largest update")
	p.compareLoss(loss, theirLoss)
	if err := p.compareAll(after.params, rate, plain); err != nil {
		return err
	}
	return p.compareGradients(after, moves, plain, exact)
}

// fromTheirs takes AdamW's step from PyTorch's gradients and compares all trained weights with
// PyTorch's.
func (p *parity) fromTheirs(head *network.Head, folder string) error {
	step, err := p.open(head, train.DefaultConfig())
	if err != nil {
		return err
	}
	defer step.Close()
	for _, g := range step.Gradients() {
		theirs, err := twin.ReadFloats(filepath.Join(folder, gradientOf+g.Name))
		if err != nil {
			return err
		}
		if copy(g.Data, theirs) != len(g.Data) {
			return fmt.Errorf("gradient %s: %d values, expected %d", g.Name, len(theirs), len(g.Data))
		}
	}
	const rate = 1e-3 // the other side's
	step.Update(0, rate)
	largest, n := 0.0, 0
	for _, ours := range step.Params() {
		if !ours.Trainable {
			continue
		}
		theirs, err := twin.ReadFloats(filepath.Join(folder, ours.Name))
		if err != nil {
			return err
		}
		n += len(theirs)
		largest = max(largest, furthest(ours.Data, theirs)/rate)
	}
	fmt.Printf(kindsColumn, fmt.Sprintf("AdamW from PyTorch's gradients, %d values, of the rate", n), largest, p.verdict(largest <= mostUpdate))
	return nil
}

// compareAll prints the largest differences of all values by kind of tensor, with PyTorch's largest
// updates.
func (p *parity) compareAll(after []network.Param, rate float64, folder string) error {
	largest, moved := map[string]float64{}, map[string]float64{}
	for i, ours := range after {
		theirs, err := twin.ReadFloats(filepath.Join(folder, ours.Name))
		if err != nil {
			return err
		}
		kind := kindOf(after, i)
		largest[kind] = max(largest[kind], furthest(ours.Data, theirs)/scaleOf(ours, theirs))
		if !ours.Trainable {
			continue
		}
		g, err := twin.ReadFloats(filepath.Join(folder, gradientOf+ours.Name))
		if err != nil {
			return err
		}
		moved[kind] = max(moved[kind], rate*highest(g))
	}
	for _, kind := range []string{kernels, norms, lostBiases, lastBias} {
		fmt.Printf("%-52s %12.1e %16.1e  %s\n", kind, largest[kind], moved[kind], p.verdict(largest[kind] <= mostWeight))
	}
	for _, kind := range []string{means, variances} {
		fmt.Printf(kindsColumn, kind, largest[kind], p.verdict(largest[kind] <= mostWeight))
	}
	return nil
}

// compareGradients prints the distances of the gradients from each other and from float64's,
// relative to the largest of their tensor, and how far rounding moves them. In a step with plain
// SGD that is the difference of the updates relative to the largest update.
func (p *parity) compareGradients(after stepped, moves movement, plain, exact string) error {
	type distances struct{ ours, theirs, between, moved float64 }
	kinds := map[string]string{}
	for i, w := range after.params {
		kinds[w.Name] = kindOf(after.params, i)
	}
	worst, all := map[string]distances{}, map[string][]distances{}
	for _, g := range after.gradients {
		theirs, err := twin.ReadFloats(filepath.Join(plain, gradientOf+g.Name))
		if err != nil {
			return err
		}
		right, err := twin.ReadFloats(filepath.Join(exact, gradientOf+g.Name))
		if err != nil {
			return err
		}
		kind, scale := kinds[g.Name], highest(right)
		now := distances{furthest(g.Data, right) / scale, furthest(theirs, right) / scale, furthest(g.Data, theirs) / scale, moves[g.Name]}
		all[kind] = append(all[kind], now)
		d := worst[kind]
		worst[kind] = distances{max(d.ours, now.ours), max(d.theirs, now.theirs), max(d.between, now.between), max(d.moved, now.moved)}
	}
	fmt.Printf("\n%-40s %12s %14s %16s %14s\n", "its updates, of the tensor's largest", "from float64", "PyTorch's own", "from each other", "movement")
	for _, kind := range []string{kernels, norms, lastBias} {
		d := worst[kind]
		bound := max(mostGradient, mostWorse*d.theirs)
		ok := !slices.ContainsFunc(all[kind], func(one distances) bool { return one.ours > max(bound, mostWorse*one.moved) })
		fmt.Printf("%-40s %12.1e %14.1e %16.1e %14.1e  %s\n", kind, d.ours, d.theirs, d.between, d.moved, p.verdict(ok))
	}
	return nil
}

// movement says, by the names of gradients, how far rounding moves them, relative to the largest of
// their tensor.
type movement map[string]float64

// moved measures the movement of our gradients: their largest distance after one of a hundred
// features was increased to the next number in float32, for several choices of these. Where the
// input of a ReLU is zero up to rounding, its derivative is 0 or 1 by chance, and through twenty
// norms that moves other gradients too: of this step's million features, one unit in the last
// place of every hundredth moves one kernel's gradients by 0.1 of the largest. A rounding error
// elsewhere does the same, so that no single distance from float64's can be judged without it.
func (p *parity) moved(gradients []network.Param, features, target []float32) (movement, error) {
	const choices, apart = 8, 97
	moves := movement{}
	for first := range choices {
		near := slices.Clone(features)
		for i := first; i < len(near); i += apart {
			near[i] = math.Nextafter32(near[i], math.MaxFloat32)
		}
		head, err := p.head()
		if err != nil {
			return nil, err
		}
		_, after, err := p.step(head, train.DefaultConfig(), 1e-3, near, target)
		if err != nil {
			return nil, err
		}
		for i, g := range after.gradients {
			moves[g.Name] = max(moves[g.Name], furthest(g.Data, gradients[i].Data)/highest(gradients[i].Data))
		}
	}
	return moves, nil
}

// furthest is the largest difference between values with the same index.
func furthest(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	most := 0.0
	for i, v := range a {
		most = max(most, math.Abs(float64(v)-float64(b[i])))
	}
	return most
}
