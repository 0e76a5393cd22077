package twin

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// Twin is the other side.
type Twin struct {
	// Torch and Numpy are the installed versions; "" for a missing one.
	Torch, Numpy string

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Start starts a program with n threads. Without such a Python the result is a Twin in which both
// versions are missing.
func Start(python, program string, threads int) (*Twin, error) {
	python, err := exec.LookPath(python)
	if err != nil {
		return &Twin{}, nil //nolint:nilerr // without Python both versions are missing
	}
	return StartProgram(python, "-W", "ignore", program, strconv.Itoa(threads))
}

// StartProgram starts any program that answers requests like the other side does.
func StartProgram(program string, args ...string) (*Twin, error) {
	t := &Twin{cmd: exec.Command(program, args...)}
	t.cmd.Stderr = os.Stderr
	var err error
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.out = bufio.NewReader(out)
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	if err := t.read(t); err != nil {
		t.Stop()
		return nil, err
	}
	return t, nil
}

func (t *Twin) read(to any) error {
	line, err := t.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s ended: %w", t.cmd, err)
	}
	return json.Unmarshal(line, to)
}

// Ask sends a request to the other side and reads its answer. An answer that reports an error is an
// error.
func (t *Twin) Ask(request map[string]any, answer any) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := t.in.Write(append(text, '\n')); err != nil {
		return err
	}
	var raw json.RawMessage
	if err := t.read(&raw); err != nil {
		return err
	}
	var failed struct{ Error string }
	if err := json.Unmarshal(raw, &failed); err != nil {
		return err
	}
	if failed.Error != "" {
		return errors.New("the other side: " + failed.Error)
	}
	return json.Unmarshal(raw, answer)
}

// Stop ends the process by closing its input.
func (t *Twin) Stop() {
	if t.cmd != nil {
		t.in.Close()
		_ = t.cmd.Wait() // its answers have been read
	}
}

// WriteFloats writes little-endian float32 for the other side to read.
func WriteFloats(path string, data []float32) error {
	raw, err := binary.Append(nil, binary.LittleEndian, data)
	if err != nil {
		return err
	}
	return os.WriteFile(path, raw, 0o644)
}

// ReadFloats reads little-endian float32 that the other side wrote.
func ReadFloats(path string) ([]float32, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	data := make([]float32, len(raw)/4)
	_, err = binary.Decode(raw, binary.LittleEndian, data)
	return data, err
}
