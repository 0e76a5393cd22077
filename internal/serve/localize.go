package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// wanted is what a request asks for.
type wanted struct {
	lane      *lane
	threshold float64
	maps      string // data, prob, links or none
	mask      string // rle, rle-string, or empty
	view      string // the answer is this map as PNG; empty: it is JSON
}

// Values of parameters; the first is the default.
var (
	mapsValues = []string{mapsData, mapsProb, mapsLinks, mapsNone}
	viewValues = []string{viewProb, viewMask, viewOverlay}
	maskValues = []string{"", maskRLE, maskRLEString}
)

const (
	mapsData  = "data"
	mapsProb  = "prob" // as data, but of the probabilities alone
	mapsLinks = "links"
	mapsNone  = "none"

	viewProb    = "prob"
	viewMask    = "mask"
	viewOverlay = "overlay"

	maskRLE       = "rle"
	maskRLEString = "rle-string"
)

// wants reads the parameters of a request for results.
func (s *Server) wants(r *request) (want wanted, err error) {
	want.lane, want.threshold = s.lanes[0], s.config.Threshold
	if name := r.query.get("model"); r.query.values.Has("model") {
		if want.lane = s.lane(name); want.lane == nil {
			return want, problemf(http.StatusNotFound, codeModel, "model %.100q is not served, expected one of: %s", name, s.names())
		}
	}
	r.log.model = want.lane.Name
	if text := r.query.get("threshold"); r.query.values.Has("threshold") {
		t, err := strconv.ParseFloat(text, 64)
		if err != nil || !(t > 0 && t < 1) {
			return want, problemf(http.StatusBadRequest, codeRequest, "threshold=%.40q: expected a number between 0 and 1, both excluded", text)
		}
		want.threshold = t
	}
	if want.maps, err = r.query.choice("maps", mapsValues...); err != nil {
		return want, err
	}
	if want.mask, err = r.query.choice("mask", maskValues...); err != nil {
		return want, err
	}
	view, err := r.query.choice("view", viewValues...)
	if err != nil {
		return want, err
	}
	switch accepted(r.Header.Get("Accept")) {
	case typePNG:
		want.view = view
	case typeRLE:
		want.maps = mapsNone
		setDefault(&want.mask, maskRLE)
	default:
		if r.query.values.Has("view") {
			return want, problemf(http.StatusBadRequest, codeRequest, "view=%s goes with the header Accept: image/png", view)
		}
	}
	return want, nil
}

// Types of answers beside JSON.
const (
	typePNG = "image/png"
	typeRLE = "application/vnd.coco.rle+json"
)

// accepted is the first of the types in an Accept header that is answered with;
// empty stands for JSON, which answers whoever asks for nothing that there is.
func accepted(header string) string {
	for part := range strings.SplitSeq(header, ",") {
		kind, _, _ := strings.Cut(part, ";")
		switch kind = strings.ToLower(strings.TrimSpace(kind)); kind {
		case typePNG, typeRLE:
			return kind
		case "application/json", "*/*":
			return ""
		}
	}
	return ""
}

func (s *Server) names() string {
	var names []string
	for _, l := range s.lanes {
		names = append(names, l.Name)
	}
	return strings.Join(names, ", ")
}

// localize answers POST /v1/localize.
func (s *Server) localize(w http.ResponseWriter, r *request) error {
	want, err := s.wants(r)
	if err != nil {
		return err
	}
	if err := s.precheck(want.lane, r, 1); err != nil {
		return err
	}
	b := s.newBody(w, r.Request, r.deadline)
	defer func() { r.log.read = b.read; b.release() }()
	file, err := s.receive(b, r)
	if err != nil {
		return err
	}
	start := time.Now()
	j, err := s.newJob(r.Context(), want.lane, file)
	if err != nil {
		return err
	}
	r.log.pixels = j.task.pixels
	defer j.leave()
	if !want.lane.queue.put(j.task) {
		return s.full(want.lane)
	}
	o, err := j.wait(r.Context())
	if err != nil {
		return err
	}
	if s.config.Keep == "" {
		j.file.data = nil
		b.release()
	}
	a, err := s.newAnswer(want, j, o, start)
	if err != nil {
		return err
	}
	j.leave()
	return s.send(w, r, want, a)
}

// receive reads the one picture of a request, or fetches it.
func (s *Server) receive(b *body, r *request) (upload, error) {
	if r.query.values.Has("url") {
		b.finish()
		return s.fetch(b, r)
	}
	list, err := b.readUploads(r.Request, s.config.MaxBytes, 1)
	if err != nil {
		return upload{}, err
	}
	return list[0], nil
}

// precheck refuses, before a body is read, what would be refused after it.
func (s *Server) precheck(l *lane, r *request, pictures int) error {
	if room := (s.config.MaxBytes + multipartRoom) * int64(pictures); r.ContentLength > room {
		return problemf(http.StatusRequestEntityTooLarge, codeLarge, "the body has %d bytes, the limit here is %d for a picture", r.ContentLength, s.config.MaxBytes)
	}
	if l.queue.length() >= l.queue.limit || l.wait() > s.config.Timeout {
		return s.full(l)
	}
	return nil
}

// full refuses because a model's queue is full.
func (s *Server) full(l *lane) error {
	return busy(s.retryAfter(), "%d pictures wait for model %s already: try again later", l.queue.length(), l.Name)
}

// job is a picture of a request: its file, and its task.
type job struct {
	lane   *lane
	file   upload
	sha256 string
	task   *task
}

// newJob looks at the picture's header.
func (s *Server) newJob(ctx context.Context, l *lane, file upload) (*job, error) {
	_, width, height, err := picture.Header(file.data)
	if err != nil {
		return nil, badPicture(err)
	}
	// Both factors are below 2^32, so their product may exceed int64: compare by division.
	if int64(width) > s.config.MaxPixels/int64(height) {
		return nil, problemf(http.StatusRequestEntityTooLarge, codeLarge, "the picture has %d x %d pixels, the limit here is %d in all", width, height, s.config.MaxPixels)
	}
	sum := sha256.Sum256(file.data)
	return &job{
		lane: l, file: file, sha256: hex.EncodeToString(sum[:]),
		task: newTask(ctx, file.data, int64(width)*int64(height)),
	}, nil
}

// wait waits for the outcome; when the client leaves or time is up the task's
// place is free.
func (j *job) wait(ctx context.Context) (*outcome, error) {
	select {
	case <-j.task.done:
		if err := j.task.out.err; err != nil {
			return nil, err
		}
		return j.task.out, nil
	case <-ctx.Done():
		j.leave()
		return nil, ctx.Err()
	}
}

// leave gives up the place, and the memory of the outcome.
func (j *job) leave() {
	j.lane.queue.remove(j.task)
	j.task.leave()
}

// atThreshold is the result at the request's threshold.
func atThreshold(r *localize.Result, threshold float64) (*localize.Result, error) {
	if r.Threshold == threshold {
		return r, nil
	}
	return r.WithThreshold(threshold)
}
