//go:build linux || darwin

package features

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childVariable makes the test's own program serve as the other process.
const childVariable = "FEATURECACHE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		child(dir, os.Getenv("FEATURECACHE_TEST_LIMIT"))
		return
	}
	os.Exit(m.Run())
}

const childRecords = 400

// child adds records in an order of its own and reports when all are there. limit is the largest
// size of its files.
func child(dir, limit string) {
	if n, err := strconv.ParseUint(limit, 10, 64); err == nil {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			panic(err)
		}
	}
	c, err := Open(Options{Dir: dir, Size: DefaultSize, Warn: func(err error) { fmt.Println("warning:", err) }})
	if err != nil {
		panic(err)
	}
	got := make([]float32, small)
	for _, i := range rand.Perm(childRecords) {
		if !c.Get(key(i), got) {
			c.Put(key(i), values(i, small), i%2 == 0)
		}
	}
	c.Close()
	fmt.Println("done")
}

func start(t *testing.T, dir, limit string) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+dir, "FEATURECACHE_TEST_LIMIT="+limit, "TMPDIR="+t.TempDir())
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	must(t, cmd.Start())
	return cmd, out
}

// checkAll fails if a record is wrong, halves being rounded, and counts the records.
func checkAll(t *testing.T, dir string) (found int) {
	t.Helper()
	c := open(t, Options{Dir: dir, Warn: func(err error) { t.Error(err) }}) // a kill damages nothing
	defer c.Close()
	got := make([]float32, small)
	for i := range childRecords {
		if !c.Get(key(i), got) {
			continue
		}
		found++
		want := values(i, small)
		if i%2 == 0 {
			RoundToHalf(want)
		}
		for k := range want {
			if got[k] != want[k] {
				t.Fatalf("record %d is wrong", i)
			}
		}
	}
	return found
}

// Two processes add records and are killed at any moment, several times: the existing records are
// right, and their number grows.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 12 {
		one, _ := start(t, dir, "")
		two, _ := start(t, dir, "")
		time.Sleep(time.Duration(5+r.IntN(40)) * time.Millisecond)
		must(t, one.Process.Kill())
		time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
		must(t, two.Process.Kill())
		_, _ = one.Wait(), two.Wait()
		now := checkAll(t, dir)
		if now < found {
			t.Fatalf("%d records were there, now %d", found, now)
		}
		found = now
	}
	last, out := start(t, dir, "")
	if err := last.Wait(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if found := checkAll(t, dir); found != childRecords {
		t.Errorf("in the end %d of %d records are there", found, childRecords)
	}
}

// A process that cannot write reports it once and works on.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	cmd, out := start(t, dir, "20000")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if strings.Count(out.String(), "warning:") != 1 || !strings.Contains(out.String(), syscall.EFBIG.Error()) || !strings.HasSuffix(out.String(), "done\n") {
		t.Errorf("got %q, expected one warning that names the reason, then done", out)
	}
	if found := checkAll(t, dir); found == 0 || found == childRecords {
		t.Errorf("%d records of %d are there", found, childRecords)
	}
}
