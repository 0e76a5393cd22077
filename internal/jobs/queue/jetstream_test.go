package queue

import (
	"log/slog"
	"testing"
	"time"
)

// Times of engines under test.
const (
	testWait       = time.Second      // AckWait
	testLeaderless = 12 * time.Second // LeaderlessFor
	testTTL        = time.Second      // LeaseTTL
)

// testLog prints the warnings of an engine and its server if a test fails.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func testSettings(t *testing.T) settings {
	return settings{ackWait: testWait, leaseTTL: testTTL, leaderless: testLeaderless, log: testLog(t)}
}

// embedded starts an embedded queue, which is closed with the test.
func embedded(t *testing.T, dir string) *JetStream {
	t.Helper()
	e, err := start(t.Context(), ServerOptions{Dir: dir, Log: testLog(t)}, testSettings(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	suite(t, embedded(t, t.TempDir()), testWait, testTTL, false)
}
