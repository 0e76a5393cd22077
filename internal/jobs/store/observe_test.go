package store

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// An observed store does what the store does, and tells of each operation once.
func TestObserved(t *testing.T) {
	suite(t, func(t *testing.T) (s, reading Store) {
		s, reading = openDirs(t)
		quiet := func(Operation, time.Duration, error) {}
		return Observed(s, quiet), Observed(reading, quiet)
	})
	dir, reading := openDirs(t)
	defer dir.Close()
	defer reading.Close()
	var told []string
	s := Observed(dir, func(op Operation, took time.Duration, err error) {
		text := string(op)
		switch {
		case errors.Is(err, ErrNotFound):
			text += " not found"
		case errors.Is(err, ErrExists):
			text += " exists"
		case err != nil || took < 0:
			t.Errorf("%s: %v after %v", op, err, took)
		}
		told = append(told, text)
	})
	put(t, s, "key", "key")
	if err := s.PutIfAbsent(t.Context(), "key", strings.NewReader("")); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	get(t, s, "key")
	_, _, err := s.Get(t.Context(), "b")
	is(t, err, ErrNotFound, "b")
	r, err := s.GetRange(t.Context(), "key", 1, 2)
	no(t, err)
	if data, err := io.ReadAll(r); err != nil || string(data) != "ey" {
		t.Fatalf("got %q, %v", data, err)
	}
	if len(told) != 4 {
		t.Errorf("told of %q before the range is closed", told)
	}
	no(t, r.Close())
	_, err = s.Stat(t.Context(), "key")
	no(t, err)
	for range s.List(t.Context(), "") {
		break
	}
	listed(t, s, "")
	no(t, s.Delete(t.Context(), "key"))
	want := []string{"put", "put exists", "get", "get not found", "get", "stat", "list", "list", "delete"}
	if !slices.Equal(told, want) {
		t.Errorf("told of %q, expected %q", told, want)
	}
}

// An error while an object is read is reported, and the time that the reader takes is left out.
func TestObservedReading(t *testing.T) {
	broken := errors.New("broken")
	var got error
	var took time.Duration
	b := &observedBody{ReadCloser: io.NopCloser(failing{broken}), tell: func(_ Operation, d time.Duration, err error) { got, took = err, d }}
	time.Sleep(50 * time.Millisecond)
	if _, err := io.ReadAll(b); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	no(t, b.Close())
	if !errors.Is(got, broken) || took > 25*time.Millisecond {
		t.Errorf("told of %v after %v", got, took)
	}
}
