package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// job is one picture of a request: its file, its way through the queue of a model, and its result.
type job struct {
	ctx    context.Context // ends when the client leaves or the request's time is up
	model  *modelQueue
	file   upload
	sha256 string        // digest of the file, in hexadecimal
	pixels int64         // width times height, from the picture's header
	bytes  int64         // estimate of the memory that work on the picture takes
	opened *picture.File // its header has been read
	tiles  atomic.Pointer[tiles]
	done   chan struct{} // closed when the result or the error is set

	mu       sync.Mutex
	finished bool
	left     bool  // the request no longer waits for the job
	reserved int64 // bytes of the model's work budget
	decoded  *picture.Picture
	result   *localize.Result
	err      error
}

// tiles says how far the network is.
type tiles struct{ done, total int }

// newJob makes a job for a model. ctx is that of the request.
func newJob(ctx context.Context, m *modelQueue, file upload) *job {
	j := &job{model: m, file: file, done: make(chan struct{})}
	j.ctx = localize.WithProgress(ctx, func(done, total int) { j.tiles.Store(&tiles{done, total}) })
	return j
}

// inspect reads the header of the picture and refuses pictures of more than maxPixels pixels.
func (j *job) inspect(maxPixels int64) error {
	opened, err := picture.Inspect(j.file.data)
	if err != nil {
		return wrapped(j.file.data, err)
	}
	width, height := opened.Size()
	// Both factors are below 2^32, so their product may exceed int64: compare by division.
	if int64(width) > maxPixels/int64(height) {
		return problemf(http.StatusRequestEntityTooLarge, codeLarge, "the picture has %d x %d pixels, the limit is %d pixels in total", width, height, maxPixels)
	}
	sum := sha256.Sum256(j.file.data)
	j.sha256 = hex.EncodeToString(sum[:])
	j.opened, j.pixels = opened, int64(width)*int64(height)
	j.bytes = min(bytesPerPixel*j.pixels+opened.Extra(), j.model.work.size)
	return nil
}

// wait waits until the job is finished or ctx ends.
func (j *job) wait(ctx context.Context) error {
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finish sets the outcome of the job, and reports whether the request still waits for it. Only the
// first call counts.
func (j *job) finish(decoded *picture.Picture, result *localize.Result, err error) (delivered bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.finished {
		return true
	}
	j.finished = true
	if j.left {
		j.free()
		return false
	}
	j.decoded, j.result, j.err = decoded, result, err
	close(j.done)
	return true
}

// leave gives up the job's place in the queue, and its memory. A worker that has begun with the
// job holds the memory until it finishes.
func (j *job) leave() {
	j.model.queue.remove(j)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.left {
		return
	}
	j.left = true
	if j.finished {
		j.decoded, j.result = nil, nil
		j.free()
	}
}

// reserve notes that the job holds its memory.
func (j *job) reserve() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reserved = j.bytes
}

// free returns the job's memory to the budget. The caller holds j.mu.
func (j *job) free() {
	j.model.work.give(j.reserved)
	j.reserved = 0
}
