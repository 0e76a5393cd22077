//go:build unix

package picture

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// processor is the time that the process has had on processors. Other processes do not change it.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStop measures how long a decoder works after its context has ended, at 24 megapixels,
// in time on processors: the longest of 20 ends spread over its time.
func BenchmarkStop(b *testing.B) {
	for name, data := range large(b, 6000, 4000) {
		b.Run(name, func(b *testing.B) {
			start, took := time.Now(), processor(b)
			if _, err := DecodeContext(b.Context(), data, Limits{}); err != nil {
				b.Fatal(err)
			}
			whole, most := time.Since(start), time.Duration(0)
			took = processor(b) - took
			for range b.N {
				for i := range 20 {
					ctx, cancel := context.WithCancel(b.Context())
					ended := make(chan time.Duration, 1)
					timer := time.AfterFunc(whole*time.Duration(i)/20, func() { cancel(); ended <- processor(b) })
					_, err := DecodeContext(ctx, data, Limits{})
					end := processor(b)
					if !timer.Stop() && err != nil {
						most = max(most, end-<-ended)
					}
					cancel()
				}
			}
			b.ReportMetric(float64(most.Microseconds())/1000, "ms/stop")
			b.ReportMetric(float64(took.Microseconds())/1000, "ms/picture")
		})
	}
}
