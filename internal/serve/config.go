package serve

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/declip/declip/internal/localize"
)

// Config says how a server serves. Zero fields get the values of Defaults.
type Config struct {
	MaxBytes    int64 // of a picture's file
	MaxPixels   int64 // width times height of a picture
	MaxPictures int   // in one request to /v1/batch
	Threshold   float64

	Queue    int           // pictures that wait for a model
	MaxBatch int           // pictures that go to a model together; 0: see Model.batch
	MaxWait  time.Duration // how long the first of a batch waits for others
	Timeout  time.Duration // for a request, from its headers to its answer
	Memory   int64         // bytes for pictures, beside models; 0: enough for MaxPixels, at least 2 GiB
	Conns    int           // connections at once
	Grace    time.Duration // for requests under way when the server is to end

	Token   string        // what clients must show; empty: nothing
	Origins []string      // of pages of other servers that may call this one; "*": any
	Hosts   []string      // names that a request may be addressed to; empty: any
	Fetch   bool          // pictures may be named by URL
	Keep    string        // folder where pictures and results are kept; empty: nothing is
	Links   time.Duration // how long links to maps are good

	patience time.Duration // for a request's head, and for the next part of its body

	Version string // of the program, for whoever asks
	Log     *slog.Logger
}

// Defaults are the values that a Config's zero fields stand for.
func Defaults() Config {
	return Config{
		MaxBytes: 32 << 20, MaxPixels: 50_000_000, MaxPictures: 16, Threshold: localize.DefaultThreshold,
		Queue: 32, MaxWait: 5 * time.Millisecond, Timeout: 2 * time.Minute, Conns: 4096, Grace: 30 * time.Second,
		Links: 10 * time.Minute, patience: 10 * time.Second,
	}
}

// Bytes that work on a picture takes at its peak, for each pixel: the decoder's
// planes, the pixels, the map as float32, and the encoded maps; measured, and
// rounded up.
const bytesPerPixel = 32

const leastMemory = 2 << 30

// The shares of Config.Memory: files that came in and wait, pictures in work,
// answers that clients have yet to take.
func (c Config) memoryIn() int64   { return c.Memory / 4 }
func (c Config) memoryWork() int64 { return c.Memory / 2 }
func (c Config) memoryOut() int64  { return c.Memory / 4 }

// WithDefaults fills in what is zero, and says what is wrong with the rest.
func (c Config) WithDefaults() (Config, error) {
	d := Defaults()
	setDefault(&c.MaxBytes, d.MaxBytes)
	setDefault(&c.MaxPixels, d.MaxPixels)
	setDefault(&c.MaxPictures, d.MaxPictures)
	setDefault(&c.Threshold, d.Threshold)
	setDefault(&c.Queue, d.Queue)
	setDefault(&c.Timeout, d.Timeout)
	setDefault(&c.Conns, d.Conns)
	setDefault(&c.Links, d.Links)
	setDefault(&c.patience, d.patience)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxPixels > 0 && c.MaxPixels <= localize.DefaultMaxPixels*10 {
		setDefault(&c.Memory, max(leastMemory, 2*bytesPerPixel*c.MaxPixels, 4*c.MaxBytes))
	}
	for _, origin := range c.Origins {
		if err := checkOrigin(origin); err != nil {
			return c, err
		}
	}
	return c, c.check()
}

func checkOrigin(origin string) error {
	if origin == "*" {
		return nil
	}
	if err := http.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
		return fmt.Errorf("origin %q: expected one such as https://example.org: %w", origin, err)
	}
	return nil
}

func (c Config) check() error {
	switch {
	case c.MaxBytes < 1 || c.MaxBytes > 1<<32:
		return fmt.Errorf("max bytes %d: expected 1 to %d", c.MaxBytes, int64(1<<32))
	case c.MaxPixels < 1 || c.MaxPixels > localize.DefaultMaxPixels*10:
		return fmt.Errorf("max pixels %d: expected 1 to %d", c.MaxPixels, int64(localize.DefaultMaxPixels*10))
	case c.MaxPictures < 1 || c.MaxPictures > c.Queue:
		return fmt.Errorf("max pictures in a batch %d: expected 1 to the queue's length, %d", c.MaxPictures, c.Queue)
	case !(c.Threshold > 0 && c.Threshold < 1):
		return fmt.Errorf("threshold %g: expected a number between 0 and 1, both excluded", c.Threshold)
	case c.Queue < 1 || c.MaxBatch < 0 || c.MaxBatch > 256 || c.Conns < 1:
		return fmt.Errorf("queue %d, max batch %d, connections %d: expected at least 1, 0 to 256, at least 1", c.Queue, c.MaxBatch, c.Conns)
	case c.Timeout <= 0 || c.MaxWait < 0 || c.Grace < 0 || c.Links <= 0:
		return fmt.Errorf("timeout %v, max wait %v, grace %v, links %v: expected positive times", c.Timeout, c.MaxWait, c.Grace, c.Links)
	case c.memoryWork() < bytesPerPixel*c.MaxPixels || c.memoryIn() < c.MaxBytes:
		return fmt.Errorf("memory of %d bytes: pictures of %d pixels in %d bytes take at least %d",
			c.Memory, c.MaxPixels, c.MaxBytes, max(2*bytesPerPixel*c.MaxPixels, 4*c.MaxBytes))
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	if zero := *new(T); *field == zero {
		*field = value
	}
}
