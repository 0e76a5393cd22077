package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/declip/declip/internal/metric"
	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/tools/twin"
)

// benchMetrics measures the computation of the scores.
func benchMetrics(o options, work string) error {
	other, err := twin.Start(o.python, o.twin, o.threads)
	if err != nil {
		return err
	}
	defer other.Stop()
	fmt.Printf("%-44s %10s %10s %8s\n", "", "declip", "other", "ratio")
	return (&bench{options: o, work: work, twin: other}).evaluate()
}

// evaluate compares the scores of maps of one megapixel: noise, and 256 x 256 probabilities
// enlarged, as the paper's networks give them.
func (b *bench) evaluate() error {
	const w, h, small = 1024, 1024, 256
	truth, mask := make([]bool, w*h), make([]byte, w*h)
	for i := range truth {
		x, y := float64(i%w-500), float64(i/w-480)
		if truth[i] = x*x/90e3+y*y/40e3 < 1; truth[i] {
			mask[i] = 1
		}
	}
	noisy, logits := noise(w*h), noise(small*small)
	for i := range noisy {
		noisy[i] = numeric.Sigmoid32(noisy[i] + 0.7*float32(mask[i]))
	}
	for i := range logits {
		logits[i] = numeric.Sigmoid32(3*logits[i] - 6 + 8*float32(mask[i/small*4*w+i%small*4]))
	}
	for _, m := range []struct {
		name string
		prob []float32
	}{{"noise", noisy}, {"a map of 256 x 256 enlarged", picture.ResizeFloat(logits, small, small, w, h)}} {
		if err := b.scores(m.name, m.prob, truth, mask, w, h); err != nil {
			return err
		}
	}
	return nil
}

// scores compares the scores of one map: on one thread, and with one picture per thread at a time.
// NumPy computes all of declip's scores; PyTorch has the published computation, without AUC.
func (b *bench) scores(name string, prob []float32, truth []bool, mask []byte, w, h int) error {
	const repeats = 5
	request := map[string]any{"do": "evaluate", "prob": filepath.Join(b.work, "prob"), "mask": filepath.Join(b.work, "mask"), "w": w, "h": h}
	if err := twin.WriteFloats(request["prob"].(string), prob); err != nil {
		return err
	}
	if err := os.WriteFile(request["mask"].(string), mask, 0o644); err != nil {
		return err
	}
	sides := map[string]string{"numpy": b.twin.Numpy, "torch": b.twin.Torch}
	others := map[string][]float64{}
	var one, all []float64
	for range repeats {
		began := time.Now()
		r, err := metric.Evaluate(prob, truth, w, h, metric.DefaultThreshold)
		if err != nil {
			return err
		}
		one = append(one, time.Since(began).Seconds())
		all = append(all, b.atOnce(prob, truth, w, h))
		for by, version := range sides {
			if version == "" {
				continue
			}
			request["by"] = by
			answer, err := b.ask(request)
			if err != nil {
				return err
			}
			others[by] = append(others[by], answer.Seconds)
			if err := sameScores(r, answer.Scores); err != nil {
				return fmt.Errorf("%s, by %s: %w", name, by, err)
			}
		}
	}
	row("scores of 1 MP, "+name, one, others["torch"], "published in PyTorch "+b.twin.Torch)
	row("  the same", one, others["numpy"], "NumPy "+b.twin.Numpy)
	row(fmt.Sprintf("  the same, per picture of %d at once", b.threads), all, others["torch"], "published in PyTorch "+b.twin.Torch)
	return nil
}

// atOnce scores one picture per thread at the same time and returns the time per picture.
func (b *bench) atOnce(prob []float32, truth []bool, w, h int) float64 {
	const rounds = 3
	began := time.Now()
	var group sync.WaitGroup
	for range b.threads {
		group.Go(func() {
			for range rounds {
				_, _ = metric.Evaluate(prob, truth, w, h, metric.DefaultThreshold) // it succeeded before
			}
		})
	}
	group.Wait()
	return time.Since(began).Seconds() / float64(rounds*b.threads)
}

// sameScores checks that the scores of both sides agree to 1e-6. IoU is in percent on both sides.
func sameScores(r metric.Result, other map[string]float64) error {
	ours := map[string]float64{"iou": r.IoU, "f1_fixed": r.F1Fixed, "f1_best": r.F1Best, "ap": r.AP, "auc": r.AUC}
	for name, got := range other {
		if v, ok := ours[name]; !ok || !(math.Abs(got-v) <= 1e-6) {
			return fmt.Errorf("%s is %g, the other side says %g", name, v, got)
		}
	}
	if len(other) < 4 {
		return fmt.Errorf("only %d scores from the other side", len(other))
	}
	return nil
}
