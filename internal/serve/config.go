package serve

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/declip/declip/internal/localize"
)

// Config holds the settings of a server. Begin with DefaultConfig: zero means zero, not the
// default.
type Config struct {
	Limits
	Batching
	Access

	Jobs *Jobs // nil: none

	// Threshold is the probability above which a pixel counts as manipulated, in (0,1), for
	// requests that do not choose one.
	Threshold float64
	LinkTTL   time.Duration // how long links to maps are valid
	Archive   string        // directory that pictures and results are written to; empty: none

	Version string       // of the program, as reported to clients
	Log     *slog.Logger // of requests and errors
	Dropped func() int64 // lines of the log that were lost, see LogWriter; nil: none
}

// Limits bound what requests can take.
type Limits struct {
	MaxBytes    int64         // size of a picture's file
	MaxPixels   int64         // width times height of a picture
	MaxPictures int           // in one request to /v1/batch; at most Batching.Queue
	MaxConns    int           // connections at a time
	Memory      int64         // bytes for pictures, in addition to the models; see Config.LeastMemory
	Timeout     time.Duration // from the headers of a request to its response
	Drain       time.Duration // takes requests for that long after it stopped being ready
	Grace       time.Duration // for requests in progress when the server stops

	heartbeat time.Duration // between two signs of life in a stream of events
	patience  time.Duration // for the headers of a request, and for the next part of its body
}

// Batching says how pictures wait for a model.
type Batching struct {
	Queue    int           // pictures that may wait for each model
	MaxBatch int           // pictures that run through a model together; 0: the model decides
	MaxWait  time.Duration // how long the first picture of a batch waits for others
}

// Access says who may ask for what.
type Access struct {
	Token   string   // that clients must send; empty: none is required
	Tenants []Tenant // with tokens of their own, which clients may send instead
	Origins []string // whose pages may call this server; "*": any
	Hosts   []string // names that a request may be addressed to, with a port or for any; empty: all
	Fetch   bool     // requests may name a picture by URL

	// PublicURL is the address under which clients reach the server, for links in responses, such as
	// https://example.org/declip behind a reverse proxy; empty: links are paths. Requests may be
	// addressed to its host, and its pages may call the server.
	PublicURL string
}

// anyOrigin in Access.Origins allows all origins.
const anyOrigin = "*"

// DefaultConfig gives the settings that "declip serve" has without flags.
func DefaultConfig() Config {
	c := Config{
		Limits: Limits{
			MaxBytes: 32 << 20, MaxPixels: 50_000_000, MaxPictures: 16, MaxConns: 4096,
			Timeout: 2 * time.Minute, Grace: 30 * time.Second, patience: 10 * time.Second, heartbeat: heartbeat,
		},
		Batching:  Batching{Queue: 32, MaxWait: 5 * time.Millisecond},
		Threshold: localize.DefaultThreshold,
		LinkTTL:   10 * time.Minute,
		Log:       slog.New(slog.DiscardHandler),
	}
	c.Memory = c.DefaultMemory()
	return c
}

// bytesPerPixel is the memory that work on a picture takes at its peak, for each pixel: the
// decoder's planes, the pixels, the map as float32 and the encoded maps. It was measured, and
// rounded up.
const bytesPerPixel = 32

// Bounds of settings.
const (
	maxFileBytes = 1 << 32
	maxPixels    = 10 * localize.DefaultMaxPixels
	maxBatch     = 256
	minMemory    = 2 << 30 // of DefaultMemory
)

// Shares of Limits.Memory: files that were received and wait, pictures in progress, and responses
// that clients have not read yet.
func (c Config) memoryIn() int64   { return c.Memory / 4 }
func (c Config) memoryWork() int64 { return c.Memory / 2 }
func (c Config) memoryOut() int64  { return c.Memory / 4 }

// LeastMemory is the smallest Limits.Memory with which a picture of the largest size can be
// processed, in bytes.
func (c Config) LeastMemory() int64 { return max(2*bytesPerPixel*c.MaxPixels, 4*c.MaxBytes) }

// DefaultMemory is the usual Limits.Memory for pictures of the largest size, in bytes.
func (c Config) DefaultMemory() int64 { return max(minMemory, c.LeastMemory()) }

// Validate checks all settings. Its error names the first one that is out of range.
func (c Config) Validate() error {
	for _, check := range []func() error{c.Limits.validate, c.Batching.validate, c.Access.validate, c.Jobs.validate} {
		if err := check(); err != nil {
			return err
		}
	}
	switch {
	case c.MaxPictures > c.Queue:
		return fmt.Errorf("max pictures in a batch %d: expected at most the queue length, %d", c.MaxPictures, c.Queue)
	case c.Memory < c.LeastMemory():
		return fmt.Errorf("memory of %d bytes: pictures of %d pixels in %d bytes need at least %d", c.Memory, c.MaxPixels, c.MaxBytes, c.LeastMemory())
	case !(c.Threshold > 0 && c.Threshold < 1):
		return fmt.Errorf("threshold %g: expected a number between 0 and 1, exclusive", c.Threshold)
	case c.LinkTTL <= 0:
		return fmt.Errorf("lifetime of links %v: expected a positive duration", c.LinkTTL)
	case c.Log == nil:
		return fmt.Errorf("no log: expected one, such as that of DefaultConfig")
	}
	return nil
}

func (l Limits) validate() error {
	switch {
	case l.MaxBytes < 1 || l.MaxBytes > maxFileBytes:
		return fmt.Errorf("max bytes %d: expected 1 to %d", l.MaxBytes, int64(maxFileBytes))
	case l.MaxPixels < 1 || l.MaxPixels > maxPixels:
		return fmt.Errorf("max pixels %d: expected 1 to %d", l.MaxPixels, int64(maxPixels))
	case l.MaxPictures < 1:
		return fmt.Errorf("max pictures in a batch %d: expected at least 1", l.MaxPictures)
	case l.MaxConns < 1:
		return fmt.Errorf("max connections %d: expected at least 1", l.MaxConns)
	case l.Timeout <= 0 || l.patience <= 0:
		return fmt.Errorf("timeout %v: expected a positive duration", min(l.Timeout, l.patience))
	case l.Drain < 0 || l.Grace < 0:
		return fmt.Errorf("drain delay %v, grace %v: expected 0 or more", l.Drain, l.Grace)
	}
	return nil
}

func (b Batching) validate() error {
	switch {
	case b.Queue < 1:
		return fmt.Errorf("queue length %d: expected at least 1", b.Queue)
	case b.MaxBatch < 0 || b.MaxBatch > maxBatch:
		return fmt.Errorf("max batch %d: expected 0 to %d", b.MaxBatch, maxBatch)
	case b.MaxWait < 0:
		return fmt.Errorf("max wait %v: expected 0 or more", b.MaxWait)
	}
	return nil
}

func (a Access) validate() error {
	if err := checkPublicURL(a.PublicURL); err != nil {
		return err
	}
	for i, t := range a.Tenants {
		if t.Name == "" || t.Token == "" || t.Token == a.Token || slices.ContainsFunc(a.Tenants[:i], func(o Tenant) bool { return o.Token == t.Token }) {
			return fmt.Errorf("tenant %q: expected a name, and a token of its own", t.Name)
		}
	}
	for _, host := range a.Hosts {
		if err := checkHost(host); err != nil {
			return err
		}
	}
	for _, origin := range a.Origins {
		if origin == anyOrigin {
			continue
		}
		if err := http.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
			return fmt.Errorf("origin %q: expected one such as https://example.org: %w", origin, err)
		}
	}
	return nil
}
