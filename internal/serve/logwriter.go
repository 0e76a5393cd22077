package serve

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/declip/declip/internal/parallel"
)

// LogWriter writes a log without ever blocking those who log: a reader of standard error that is
// stuck or gone must not stop requests. Lines for which there is no room are dropped and counted.
type LogWriter struct {
	w       io.Writer
	queue   chan []byte
	waiting atomic.Int64 // bytes in queue
	dropped atomic.Int64
	closing chan struct{}
	once    sync.Once
	ended   <-chan error
}

// Bounds of a LogWriter's queue.
const (
	logLines = 4096
	logBytes = 4 << 20
)

// logPatience is how long Close waits for lines to be written.
const logPatience = 500 * time.Millisecond

// NewLogWriter makes a LogWriter that writes to w until Close is called.
func NewLogWriter(w io.Writer) *LogWriter {
	l := &LogWriter{w: w, queue: make(chan []byte, logLines), closing: make(chan struct{})}
	l.ended = parallel.Go(l.run)
	return l
}

// Write is part of io.Writer: p is one line or more. It never fails.
func (l *LogWriter) Write(p []byte) (int, error) {
	size := int64(len(p))
	if l.waiting.Add(size) > logBytes {
		l.drop(size)
		return len(p), nil
	}
	select {
	case l.queue <- append([]byte(nil), p...):
	default:
		l.drop(size)
	}
	return len(p), nil
}

func (l *LogWriter) drop(size int64) {
	l.waiting.Add(-size)
	l.dropped.Add(1)
}

// Dropped is the number of lines that were lost.
func (l *LogWriter) Dropped() int64 { return l.dropped.Load() }

// Close writes the lines that wait, as far as they can be written within half a second.
func (l *LogWriter) Close() error {
	l.once.Do(func() { close(l.closing) })
	select {
	case <-l.ended: //nolint:errcheck // it has written what it could
	case <-time.After(logPatience):
	}
	return nil
}

func (l *LogWriter) run() error {
	for {
		select {
		case p := <-l.queue:
			l.write(p)
		case <-l.closing:
			for len(l.queue) > 0 {
				l.write(<-l.queue)
			}
			return nil
		}
	}
}

// write counts a line that cannot be written as dropped. The next one may succeed, for instance if
// a disk was full.
func (l *LogWriter) write(p []byte) {
	l.waiting.Add(-int64(len(p)))
	if _, err := l.w.Write(p); err != nil {
		l.dropped.Add(1)
	}
}
