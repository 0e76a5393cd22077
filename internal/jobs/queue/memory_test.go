package queue

import (
	"errors"
	"testing"
	"time"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	wait, ttl := 600*time.Millisecond, 200*time.Millisecond
	suite(t, &Memory{AckWait: wait, LeaseTTL: ttl}, wait, ttl, false)
}

// Tests of others make operations fail.
func TestMemoryFails(t *testing.T) {
	m := &Memory{}
	if _, err := m.Put(t.Context(), "done.a.b.c", nil); err != nil {
		t.Fatal(err)
	}
	m.Fail = func(operation, subject string) error {
		if operation == "put" && subject == "done.a.b.c" {
			return ErrUnavailable
		}
		return nil
	}
	if _, err := m.Put(t.Context(), "done.a.b.c", nil); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v, expected %v", err, ErrUnavailable)
	}
	if n, err := m.Depth(t.Context(), "done.>"); err != nil || n != 1 {
		t.Fatalf("got %d, %v", n, err)
	}
}
