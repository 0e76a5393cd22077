//go:build unix

package cli

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// A server whose standard error has no reader, or one that is stuck, answers and stops.
func TestServeSurvivesItsLogsReader(t *testing.T) {
	library := enginetest.Library(t)
	for _, kind := range []string{"dead", "stuck"} {
		t.Run(kind, func(t *testing.T) {
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			if kind == "dead" {
				reader.Close()
			} else {
				fillPipe(t, writer)
			}
			cmd := exec.CommandContext(t.Context(), "declip", "serve", "--addr", "127.0.0.1:0")
			cmd.Env = append(os.Environ(), "DECLIP_ORT_LIB="+library)
			cmd.Stderr = writer
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			writer.Close()
			line, _ := bufio.NewReader(out).ReadString('\n')
			_, address, ok := strings.Cut(strings.TrimSpace(line), " at ")
			if !ok {
				t.Fatalf("serve says %q and ends with %v", line, cmd.Wait())
			}
			client := http.Client{Timeout: 20 * time.Second}
			for range 20 {
				response, err := client.Get(address + "/v1/models")
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if response.StatusCode != http.StatusOK {
					t.Errorf("status %d", response.StatusCode)
				}
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := cmd.Wait(); err != nil {
				t.Errorf("serve ends with %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("serve ended after %v", took)
			}
		})
	}
}

// fillPipe writes to a pipe until a further write would wait.
func fillPipe(t *testing.T, w *os.File) {
	t.Helper()
	_ = w.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := w.Write(make([]byte, 1<<20)); err == nil {
		t.Fatal("the pipe holds a megabyte")
	}
	if _, err := w.Write([]byte{0}); err == nil {
		t.Fatal("the pipe is not full")
	}
}
