package memory

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
)

func TestStatus(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux states it")
	}
	self := strconv.Itoa(os.Getpid())
	now, peak := Status(self, "VmRSS"), Status("self", "VmHWM")
	if now < 1<<20 || peak < now/2 || now > 1<<34 {
		t.Errorf("resident %d bytes, at most %d: expected megabytes", now, peak)
	}
	if n := Status("self", "NoSuchSize"); n != 0 {
		t.Errorf("an unknown size is %d, expected 0", n)
	}
	if n := Status("no-process", "VmRSS"); n != 0 {
		t.Errorf("a process that does not exist has %d bytes, expected 0", n)
	}
}

func TestPeak(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("unknown there")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if n := Peak(cmd.ProcessState); n < 1<<20 {
		t.Errorf("the peak of an ended process is %d bytes, expected megabytes", n)
	}
	if n := Own(); n < 1<<20 {
		t.Errorf("the own peak is %d bytes, expected megabytes", n)
	}
}
