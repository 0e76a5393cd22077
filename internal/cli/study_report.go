package cli

import (
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/declip/declip/internal/study"
	"github.com/declip/declip/internal/study/report"
	"github.com/declip/declip/internal/train"
)

// printPlan prints the work of a study, and how much of it is done.
func (a *app) printPlan(p *study.Plan) error {
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s: %s\n", p.File.Kind, p.File.Out)
	trained, steps := 0, int64(0)
	for _, r := range p.Runs {
		state := "to train"
		switch {
		case r.Problem != "":
			state = "unavailable: " + r.Problem
		case r.Done:
			state = "done"
			trained++
		case r.Begun:
			state = "started"
		}
		size := ""
		if r.Problem == "" && !r.Done {
			steps += r.Steps
			size = fmt.Sprintf("%s, up to %s", plural(r.Pictures, "picture"), plural(int(r.Steps), "step"))
		}
		fmt.Fprintf(t, "model\t%s\t%s\t%s\t%s\n", r.Name(), r.Model, size, state)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	filled, impossible, pictures := 0, 0, 0
	for _, c := range p.Cells {
		switch {
		case c.Done:
			filled++
		case c.Problem != "" || c.Run.Problem != "":
			impossible++
		default:
			pictures += c.Pictures
		}
	}
	_, err := fmt.Fprintf(a.stdout, "models: %d of %d done, up to %s to train\ncells: %d of %d done, %s to test", trained, len(p.Runs), plural(int(steps), "step"), filled, len(p.Cells), plural(pictures, "picture"))
	if err == nil && impossible > 0 {
		_, err = fmt.Fprintf(a.stdout, ", %s cannot be filled", plural(impossible, "cell"))
	}
	if err == nil {
		_, err = fmt.Fprintln(a.stdout)
	}
	return err
}

// studyProgress prints the progress of a study.
type studyProgress struct {
	app     *app
	bar     *progress
	label   string
	scoring bool // bar is that of the pass that label names
}

func (s *studyProgress) events() study.Events {
	return study.Events{
		Training: s.training,
		Trained: func(r *study.Run) {
			s.bar.finish()
			if r.Problem != "" {
				s.app.say("%s: %s\n", r.Name(), r.Problem)
			}
		},
		Scoring: func(test string, models, number, of int) {
			s.bar.finish()
			s.label = fmt.Sprintf("testing on %s (%d/%d)", test, number, of)
			fmt.Fprintf(s.app.stdout, "%s: %s\n", s.label, plural(models, "model"))
			s.bar, s.scoring = &progress{}, false
		},
		Scored: func(done, total int) {
			if !s.scoring {
				s.bar, s.scoring = s.app.newProgress(total, s.label), true
			}
			s.bar.set(done)
		},
		Drawing: func() { s.bar.finish() },
		Fleet:   s.fleet,
	}
}

// training announces a training and follows its steps.
func (s *studyProgress) training(r *study.Run, number, of int) train.Hooks {
	what := fmt.Sprintf("training %s (%d/%d)", r.Name(), number, of)
	return train.Hooks{
		Start: func(_ train.Config, about train.About) { s.bar = s.app.newSteps(int(about.Steps), what) },
		Step: func(step train.StepReport) {
			s.bar.describe(fmt.Sprintf("loss %.4f", step.Loss))
			s.bar.expect(step.Left)
			s.bar.set(int(step.Step))
		},
		Notice: func(text string) { _ = s.bar.printf(s.app.stderr, "declip: %s\n", text) },
		Epoch: func(e train.EpochReport) {
			_ = s.bar.printf(s.app.stdout, "%s  %s\n", what, epochLine(e, train.Localization))
		},
	}
}

// studyOutcome prints the summary of the report and its path.
func (a *app) studyOutcome(p *study.Plan) error {
	page := filepath.Join(p.File.Out, report.PageFile)
	fmt.Fprintln(a.stdout)
	for _, line := range p.Summary {
		fmt.Fprintln(a.stdout, line)
	}
	var spent time.Duration
	for _, r := range p.Runs {
		spent += r.Spent()
	}
	if spent > 0 {
		fmt.Fprintf(a.stdout, "training took %s in all\n", spent.Round(time.Second))
	}
	if _, err := fmt.Fprintf(a.stdout, "report: %s\n", page); err != nil {
		return err
	}
	for _, c := range p.Cells {
		if !c.Done {
			fmt.Fprintln(a.stderr, "declip: some cells are missing; the report lists the reasons")
			return errReported
		}
	}
	return nil
}
