package serve

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// answer is what is said about a picture, ready to be sent.
type answer struct {
	head resultBody
	maps []namedPNG // those that were asked for
}

type namedPNG struct {
	name string
	data []byte
}

// resultBody is the JSON object of a picture: that of "localize --json", with the
// file's digest instead of the names of written files. The maps come last, see
// answer.writeTo.
type resultBody struct {
	localize.Record
	SHA256    string   `json:"sha256"`
	Mask      *runs    `json:"mask,omitempty"`
	ElapsedMS float64  `json:"elapsed_ms"`
	Maps      *mapURLs `json:"maps,omitempty"`
}

// mapURLs are where the maps are: data: URLs, or links on this server.
type mapURLs struct {
	Prob    string `json:"prob"`
	Mask    string `json:"mask,omitempty"`
	Overlay string `json:"overlay,omitempty"`
	Expires string `json:"expires,omitempty"` // RFC 3339, of links
}

// newAnswer encodes what a request wants of an outcome.
func (s *Server) newAnswer(want wanted, j *job, o *outcome, start time.Time) (*answer, error) {
	began := time.Now()
	result, err := atThreshold(o.result, want.threshold)
	if err != nil {
		return nil, err
	}
	a := &answer{}
	for _, view := range want.views() {
		png, err := picture.EncodePNG(draw(view, result, o.decoded), picture.Fast)
		if err != nil {
			return nil, err
		}
		a.maps = append(a.maps, namedPNG{view, png})
	}
	a.head = resultBody{Record: localize.NewRecord(j.file.name, result), SHA256: j.sha256}
	a.head.Model = j.lane.Name // not the path of its file on the server
	if want.mask != "" {
		a.head.Mask = newRuns(result, want.mask)
	}
	if want.maps == mapsLinks && want.view == "" {
		if a.head.Maps, err = s.links.add(a.maps); err != nil {
			return nil, err
		}
		a.maps = nil
	}
	s.stats.took(j.lane.Name, stageEncode, time.Since(began))
	a.head.ElapsedMS = localize.Milliseconds(time.Since(start))
	if s.config.Keep != "" {
		if err := s.keep(j, o, result, a); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// views are the maps that are to be encoded.
func (w wanted) views() []string {
	switch {
	case w.view != "":
		return []string{w.view}
	case w.maps == mapsNone:
		return nil
	case w.maps == mapsProb:
		return []string{viewProb}
	}
	return viewValues
}

func draw(view string, r *localize.Result, d *picture.Picture) image.Image {
	switch view {
	case viewMask:
		return r.Mask()
	case viewOverlay:
		return r.Overlay(d.RGB)
	}
	return r.Gray()
}

// send sends an answer; its memory counts until the client has taken it.
func (s *Server) send(w http.ResponseWriter, r *request, want wanted, a *answer) error {
	size := min(a.size(), s.out.size)
	if err := s.out.take(r.Context(), size); err != nil {
		return err
	}
	defer s.out.give(size)
	to := s.patient(w)
	h := w.Header()
	if want.view != "" {
		h.Set("Content-Type", typePNG)
		h.Set("Content-Length", strconv.Itoa(len(a.maps[0].data)))
		h.Set("Declip-Score", strconv.FormatFloat(a.head.Score, 'g', -1, 64))
		h.Set("Declip-Threshold", strconv.FormatFloat(a.head.Threshold, 'g', -1, 64))
		h.Set("Declip-SHA256", a.head.SHA256)
		_, _ = to.Write(a.maps[0].data)
		return nil
	}
	body, err := a.json()
	if err != nil {
		return err
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.FormatInt(body.length()+1, 10))
	if err := body.writeTo(to); err == nil {
		_, _ = io.WriteString(to, "\n")
	}
	return nil // a client that does not take its answer is not told why
}

func (a *answer) size() int64 {
	n := int64(4 << 10)
	for _, m := range a.maps {
		n += int64(len(m.data))
	}
	return n
}

// jsonBody is an answer's JSON in parts, so that large maps are encoded on their way.
type jsonBody struct {
	head []byte // without the closing brace if maps follow
	maps []namedPNG
}

const dataURL = "data:image/png;base64,"

func (a *answer) json() (jsonBody, error) {
	head, err := json.Marshal(a.head)
	if err != nil {
		return jsonBody{}, fmt.Errorf("encoding the answer: %w", err)
	}
	if len(a.maps) > 0 {
		head = append(head[:len(head)-1], `,"maps":{`...)
	}
	return jsonBody{head, a.maps}, nil
}

// between is what stands before the i-th map.
func (b jsonBody) between(i int) string {
	comma := ","
	if i == 0 {
		comma = ""
	}
	return comma + `"` + b.maps[i].name + `":"` + dataURL
}

const closing = "}}"

func (b jsonBody) length() int64 {
	n := len(b.head)
	for i, m := range b.maps {
		n += len(b.between(i)) + base64.StdEncoding.EncodedLen(len(m.data)) + 1
	}
	if len(b.maps) > 0 {
		n += len(closing)
	}
	return int64(n)
}

func (b jsonBody) writeTo(w io.Writer) error {
	if _, err := w.Write(b.head); err != nil {
		return err
	}
	for i, m := range b.maps {
		if _, err := io.WriteString(w, b.between(i)); err != nil {
			return err
		}
		encoder := base64.NewEncoder(base64.StdEncoding, w)
		if _, err := encoder.Write(m.data); err != nil {
			return err
		}
		if err := encoder.Close(); err != nil {
			return err
		}
		if _, err := io.WriteString(w, `"`); err != nil {
			return err
		}
	}
	if len(b.maps) == 0 {
		return nil
	}
	_, err := io.WriteString(w, closing)
	return err
}

// patientWriter gives a client time for each part of a large answer, and in all as
// long as the answer itself may take: who takes nothing is cut off soon.
type patientWriter struct {
	w       io.Writer
	control *http.ResponseController
	until   time.Time
	since   int // bytes since the deadline was set
}

const patientPart = 256 << 10

func (s *Server) patient(w http.ResponseWriter) *patientWriter {
	return &patientWriter{w: w, control: http.NewResponseController(w), until: time.Now().Add(s.config.Timeout)}
}

// Write is part of io.Writer.
func (p *patientWriter) Write(data []byte) (n int, err error) {
	for len(data) > 0 {
		if p.since == 0 {
			deadline := time.Now().Add(answerPatience)
			if p.until.Before(deadline) {
				deadline = p.until
			}
			_ = p.control.SetWriteDeadline(deadline)
		}
		part := data[:min(len(data), patientPart-p.since)]
		m, err := p.w.Write(part)
		n += m
		if err != nil {
			return n, err
		}
		p.since = (p.since + m) % patientPart
		data = data[m:]
	}
	return n, nil
}
