package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image/png"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Faults, by their names in the flag and in the report.
const (
	faultKill        = "kill"
	faultStop        = "stop"
	faultDisk        = "full-disk"
	faultDescriptors = "no-descriptors"
)

var allFaults = []string{faultDisk, faultDescriptors, faultStop, faultKill}

// interval is the mean time between two faults: in a run of any length each one occurs, and in a
// long one the server lives long enough for its memory to be judged.
func interval(d time.Duration) time.Duration { return min(max(d/8, time.Second), 3*time.Minute) }

// startFaults makes faults until stop is called, which returns how many there were of each.
func (c *crowd) startFaults(o options) (stop func() string) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan map[string]int, 1)
	go func() {
		r := rand.New(rand.NewPCG(o.seed, 7))
		count := map[string]int{}
		defer func() { done <- count }()
		every := interval(o.duration)
		for {
			round := slices.DeleteFunc(slices.Clone(allFaults), func(name string) bool { return !strings.Contains(o.faults, name) })
			if len(round) == 0 {
				return
			}
			r.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
			for _, name := range round {
				if !pause(ctx, every/2+time.Duration(r.Int64N(int64(every)/2))) {
					return
				}
				if err := c.fault(ctx, name, min(every/2, 10*time.Second)); err != nil {
					c.tally.fault(name + ": " + err.Error())
				}
				count[name]++
			}
		}
	}()
	return func() string {
		cancel()
		count := <-done
		var list []string
		for _, name := range slices.Sorted(maps.Keys(count)) {
			list = append(list, fmt.Sprintf("%d %s", count[name], name))
		}
		return strings.Join(list, ", ")
	}
}

// pause waits for d, and reports whether ctx is still there.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// fault makes one fault. One of limits lasts for d. The end of ctx ends a fault early, never a
// start of the server.
func (c *crowd) fault(ctx context.Context, name string, d time.Duration) error {
	pid := c.program.life.Load().cmd.Process.Pid
	switch name {
	case faultKill:
		return c.program.crash(context.WithoutCancel(ctx))
	case faultStop:
		return c.program.restart(context.WithoutCancel(ctx))
	case faultDisk:
		restore, err := limitFileSize(pid, 100)
		if err != nil {
			return err
		}
		pause(ctx, d)
		return restore()
	default:
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return err
		}
		restore, err := limitDescriptors(pid, uint64(max(len(open)/2, 16)))
		if err != nil {
			return err
		}
		pause(ctx, d)
		return restore()
	}
}

// checkArchive checks the files of --keep, of which a reader must never see a part, and counts
// them.
func checkArchive(dir string) (whole int, broken []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, []string{err.Error()}
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") { // temporary, of a process that was killed
			continue
		}
		if err := checkArchived(filepath.Join(dir, entry.Name())); err != nil {
			broken = append(broken, fmt.Sprintf("archive: %s: %v", entry.Name(), err))
			continue
		}
		whole++
	}
	return whole, broken
}

func checkArchived(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	switch {
	case strings.HasSuffix(name, ".json"):
		if !json.Valid(data) {
			return fmt.Errorf("%d bytes that are not JSON", len(data))
		}
	case strings.HasSuffix(name, ".prob.png"):
		_, err := png.Decode(strings.NewReader(string(data)))
		return err
	default:
		digest, _, _ := strings.Cut(name, ".")
		if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != digest {
			return fmt.Errorf("its %d bytes have another digest", len(data))
		}
	}
	return nil
}
