package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// progressVariable makes the test's program print a line of progress for every picture.
const progressVariable = "DECLIP_TEST_PROGRESS"

func showAllProgress() {
	if os.Getenv(progressVariable) != "" {
		plainEvery = 0
	}
}

func TestPace(t *testing.T) {
	for _, c := range []struct {
		unit              string
		total, from, done int64
		spent, own        time.Duration
		want              string
	}{
		// Nothing was measured yet.
		{unitPicture, 20, 0, 0, time.Minute, -1, "0 of 20 pictures"},
		{unitPicture, 20, 0, 9, 900 * time.Millisecond, -1, "9 of 20 pictures"},
		{unitPicture, 20, 0, 5, 2 * time.Second, -1, "5 of 20 pictures, 2.5 pictures/s, 6s left"},
		{unitPicture, 1, 0, 1, 2 * time.Second, -1, "1 of 1 picture, 2.0 s per picture"},
		{unitPicture, 9000, 0, 3000, 100 * time.Second, -1, "3000 of 9000 pictures, 30 pictures/s, 3m20s left"},
		{unitPicture, 10, 0, 2, 5 * time.Minute, -1, "2 of 10 pictures, 2m30s per picture, 20m left"},
		// What was done before the first word of it says nothing about the speed.
		{unitPicture, 1000, 900, 900, time.Hour, -1, "900 of 1000 pictures"},
		{unitPicture, 1000, 900, 950, 50 * time.Second, -1, "950 of 1000 pictures, 1.0 pictures/s, 50s left"},
		{unitPicture, 20, 0, 20, 10 * time.Second, -1, "20 of 20 pictures, 2.0 pictures/s"},
		// The training's own estimate knows of validations.
		{unitStep, 60, 0, 30, 30 * time.Second, 90 * time.Second, "30 of 60 steps, 1m30s left"},
		{unitStep, 60, 0, 1, 30 * time.Second, 0, "1 of 60 steps"},
		{unitBytes, 2_000_000, 0, 500_000, 2 * time.Second, -1, "0.5 MB of 2.0 MB, 0.2 MB/s, 6s left"},
		{unitBytes, -1, 0, 500_000, 2 * time.Second, -1, "0.5 MB, 0.2 MB/s"},
	} {
		began := time.Now()
		p := pace{unit: c.unit, total: c.total, from: c.from, done: c.done, began: began, now: began.Add(c.spent), left: c.own, given: c.own >= 0}
		if got := p.text(); got != c.want {
			t.Errorf("%+v: got %q, expected %q", c, got, c.want)
		}
	}
}

// ticking is a progress whose clock advances by step with each reading.
func ticking(to io.Writer, width int, total int64, step time.Duration) *progress {
	now := time.Now()
	p := &progress{to: to, width: width, what: "evaluating", pace: pace{unit: unitPicture, total: total}, shown: now}
	p.clock = func() time.Time {
		now = now.Add(step)
		return now
	}
	return p
}

// On a terminal one line is drawn again and removed at the end. Other lines are printed above it.
func TestProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := ticking(&out, 80, 4, time.Second)
	p.set(1)
	p.describe("epoch 1")
	if err := p.printf(&out, "a line\n"); err != nil {
		t.Fatal(err)
	}
	p.set(4)
	p.finish()
	p.set(2) // too late
	bar := func(full, rest int) string {
		return " [" + strings.Repeat("#", full) + strings.Repeat("-", rest) + "]" + eraseRest
	}
	// A bar has the rest of 79 columns, but at most 30. What was done first measures nothing.
	want := "\revaluating: 1 of 4 pictures" + bar(7, 21) +
		"\r" + eraseRest + "a line\n" +
		"\revaluating, epoch 1: 1 of 4 pictures" + bar(7, 21) +
		"\revaluating, epoch 1: 4 of 4 pictures, 3.0 pictures/s" + bar(24, 0) +
		"\r" + eraseRest
	if out.String() != want {
		t.Errorf("got\n%q, expected\n%q", out.String(), want)
	}
}

// A line is cut to the terminal, and is drawn ten times a second at most.
func TestProgressIsNarrowAndSeldom(t *testing.T) {
	var out bytes.Buffer
	p := ticking(&out, 24, 1000, 10*time.Millisecond)
	for i := range 1000 {
		p.set(i + 1)
	}
	lines := strings.Split(strings.TrimPrefix(out.String(), "\r"), "\r")
	if len(lines) < 90 || len(lines) > 110 {
		t.Errorf("%d lines in ten seconds, expected about 100", len(lines))
	}
	for _, line := range lines {
		if n := len(strings.TrimSuffix(line, eraseRest)); n > 23 {
			t.Errorf("%q has %d columns of 24", line, n)
		}
	}
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "evaluating: 1000 of 100") {
		t.Errorf("the last line is %q, expected the end", last)
	}
}

// Elsewhere there is a plain line every minute.
func TestProgressElsewhere(t *testing.T) {
	var out bytes.Buffer
	p := ticking(&out, 0, 300, time.Second)
	for i := range 150 {
		p.set(100 + i + 1)
	}
	p.finish()
	want := "declip: evaluating: 160 of 300 pictures, 1.0 pictures/s, 2m20s left\n" +
		"declip: evaluating: 220 of 300 pictures, 1.0 pictures/s, 1m20s left\n"
	if out.String() != want {
		t.Errorf("got\n%s, expected\n%s", out.String(), want)
	}
}

// Bytes of an earlier run do not count as read now, and a file that is read again begins again.
func TestTransfer(t *testing.T) {
	before := plainEvery
	t.Cleanup(func() { plainEvery = before })
	plainEvery = 0
	var out bytes.Buffer
	bar := (&app{stderr: &out}).newTransfer("big.pth")
	for _, done := range []int64{900, 1000, 100, 2000} {
		bar.set(done, 2000)
	}
	bar.finish()
	want := ""
	for _, done := range []string{"900 B", "1.0 kB", "100 B", "2.0 kB"} {
		want += fmt.Sprintf("declip: big.pth: %s of 2.0 kB\n", done)
	}
	if out.String() != want {
		t.Errorf("got\n%s, expected\n%s", out.String(), want)
	}
}
