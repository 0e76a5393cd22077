package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/declip/declip/internal/parallel"
)

// faultVariable is the environment variable that makes the test binary panic: STAGE or STAGE:N
// panics the first time, or the first N times, that the stage is reached.
const faultVariable = "DECLIP_TEST_FAULT"

func injectFault(text string) {
	if text == "" {
		return
	}
	stage, count, _ := strings.Cut(text, ":")
	most, err := strconv.ParseInt(cmp.Or(count, "1"), 10, 64)
	if err != nil {
		panic(err)
	}
	var reached atomic.Int64
	parallel.Inject(func(at string) {
		if at == stage && reached.Add(1) <= most {
			panic("fault in " + stage)
		}
	})
}

// scriptFault runs a command on a.png and b.png while a stage panics: fault STAGE COMMAND ARGS...
//
// When the stage panics once, one picture fails with an error that names it, and the other one
// succeeds. When it always panics, both fail. Either way the exit code is 1 and the stack is
// printed once.
func scriptFault(ts *testscript.TestScript, _ bool, args []string) {
	stage, command := args[0], args[1:]
	defer ts.Setenv(faultVariable, "")
	for _, c := range []struct {
		times  string
		failed int
	}{{"1", 1}, {"1000000", 2}} {
		ts.Setenv(faultVariable, stage+":"+c.times)
		out := filepath.Join("faults", stage, c.times)
		scriptExits(ts, false, append(append([]string{"1"}, command...), "-o", out, "a.png", "b.png"))
		messages := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		failed := 0
		for _, name := range []string{"a", "b"} {
			message := regexp.MustCompile(`(?m)(^declip: |"error":")` + name + `\.png: .*fault in ` + stage)
			_, err := os.Stat(ts.MkAbs(filepath.Join(out, name+".mask.png")))
			switch fails := message.MatchString(messages); {
			case fails && err == nil:
				ts.Fatalf("%s.png failed in %s and has results", name, stage)
			case !fails && err != nil:
				ts.Fatalf("%s.png has neither results nor an error", name)
			case fails:
				failed++
			}
		}
		if failed != c.failed {
			ts.Fatalf("%d pictures failed, expected %d", failed, c.failed)
		}
		if n := strings.Count(messages, "\ngoroutine "); n != 1 {
			ts.Fatalf("%d stacks are printed, expected 1", n)
		}
	}
}
