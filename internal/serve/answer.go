package serve

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Names of response headers.
const (
	headerScore     = "Declip-Score"
	headerThreshold = "Declip-Threshold"
	headerSHA256    = "Declip-SHA256"
)

// answer is the response about one picture, encoded.
type answer struct {
	result resultBody
	json   []byte     // result as JSON, without the closing brace if maps follow
	maps   []namedPNG // those that go into the response
}

type namedPNG struct {
	name string
	data []byte
}

// resultBody is the JSON object of a picture: that of "localize --json", with the file's digest
// instead of the names of written files. With maps=data and maps=prob, answer.writeJSON adds the
// maps.
type resultBody struct {
	localize.Record
	SHA256    string      `json:"sha256"`
	Mask      *runLengths `json:"mask,omitempty"`
	ElapsedMS float64     `json:"elapsed_ms"`
	Maps      *mapURLs    `json:"maps,omitempty"`
}

// mapURLs are the addresses of the maps: data: URLs, or links on this server.
type mapURLs struct {
	Prob    string `json:"prob"`
	Mask    string `json:"mask,omitempty"`
	Overlay string `json:"overlay,omitempty"`
	// Confidence is left out for models that give none.
	Confidence string `json:"confidence,omitempty"`
	Expires    string `json:"expires,omitempty"` // of links, RFC 3339
}

// newAnswer encodes the result of a finished job. start is when the whole picture had arrived.
func (s *Server) newAnswer(ctx context.Context, p params, j *job, start time.Time) (*answer, error) {
	began := time.Now()
	result, err := atThreshold(j.result, p.threshold)
	if err != nil {
		return nil, err
	}
	a := &answer{}
	if p.view == viewConfidence && result.Confidence == nil {
		return nil, problemf(http.StatusBadRequest, codeRequest, "view=%s: model %q gives no confidence", p.view, j.model.Name)
	}
	for _, view := range p.views() {
		if view == viewConfidence && result.Confidence == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		drawn, err := draw(ctx, view, result, j.decoded)
		if err != nil {
			return nil, err
		}
		png, err := picture.EncodePNGContext(ctx, drawn, picture.Fast)
		if err != nil {
			return nil, err
		}
		a.maps = append(a.maps, namedPNG{view, png})
	}
	a.result = resultBody{Record: localize.NewRecord(j.file.name, result), SHA256: j.sha256}
	a.result.Model = j.model.Name // not the path of its file on the server
	if p.mask != "" {
		a.result.Mask = newRunLengths(result, p.mask)
	}
	if p.maps == mapsLinks && p.view == "" {
		if a.result.Maps, err = s.links.add(a.maps, p.linkBase); err != nil {
			return nil, err
		}
		a.maps = nil
	}
	s.stats.took(j.model.Name, stageEncode, time.Since(began))
	a.result.ElapsedMS = localize.Milliseconds(time.Since(start))
	if s.config.Archive != "" {
		if err := s.archive(ctx, j, result, a.result); err != nil {
			return nil, err
		}
	}
	return a, a.encode()
}

// atThreshold is the result at the threshold that a request asks for.
func atThreshold(r *localize.Result, threshold float64) (*localize.Result, error) {
	if r.Threshold == threshold {
		return r, nil
	}
	return r.WithThreshold(threshold)
}

func draw(ctx context.Context, view string, r *localize.Result, d *picture.Picture) (image.Image, error) {
	switch view {
	case viewMask:
		return r.Mask(), nil
	case viewOverlay:
		return r.OverlayContext(ctx, d.RGB)
	case viewConfidence:
		return r.ConfidenceGray(), nil
	}
	return r.Gray(), nil
}

// send sends an answer. Its memory is counted until the client has read it.
func (s *Server) send(w http.ResponseWriter, r *request, p params, a *answer) error {
	parallel.Point(stageWrite)
	size := min(a.size(), s.out.size)
	if err := s.out.take(r.Context(), size); err != nil {
		return err
	}
	defer s.out.give(size)
	to := s.patient(w)
	h := w.Header()
	if p.view != "" {
		h.Set("Content-Type", typePNG)
		h.Set("Content-Length", strconv.Itoa(len(a.maps[0].data)))
		h.Set(headerScore, strconv.FormatFloat(a.result.Score, 'g', -1, 64))
		h.Set(headerThreshold, strconv.FormatFloat(a.result.Threshold, 'g', -1, 64))
		h.Set(headerSHA256, a.result.SHA256)
		_, _ = to.Write(a.maps[0].data) // an error means that the client has left
		return nil
	}
	if p.stream {
		h.Set("Content-Type", typeStream)
	} else {
		h.Set("Content-Type", typeJSON)
		h.Set("Content-Length", strconv.FormatInt(a.lengthJSON()+1, 10))
	}
	if err := a.writeJSON(to); err == nil {
		_, _ = io.WriteString(to, "\n")
	}
	return nil // as above
}

// size is the memory that an answer takes, in bytes.
func (a *answer) size() int64 {
	n := int64(4<<10 + len(a.json))
	for _, m := range a.maps {
		n += int64(len(m.data))
	}
	return n
}

// dataURL begins the address of a map that is part of the response.
const dataURL = "data:image/png;base64,"

// encode encodes the result. The maps are encoded when they are written, since they are large.
func (a *answer) encode() (err error) {
	if a.json, err = json.Marshal(a.result); err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	if len(a.maps) > 0 {
		a.json = append(a.json[:len(a.json)-1], `,"maps":{`...)
	}
	return nil
}

// beforeMap is the JSON before the i-th map's data, which a quotation mark ends.
func (a *answer) beforeMap(i int) string {
	comma := ","
	if i == 0 {
		comma = ""
	}
	return comma + `"` + a.maps[i].name + `":"` + dataURL
}

// afterMaps is the JSON after the last map.
const afterMaps = "}}"

// lengthJSON is the number of bytes that writeJSON writes.
func (a *answer) lengthJSON() int64 {
	n := len(a.json)
	for i, m := range a.maps {
		n += len(a.beforeMap(i)) + base64.StdEncoding.EncodedLen(len(m.data)) + 1
	}
	if len(a.maps) > 0 {
		n += len(afterMaps)
	}
	return int64(n)
}

// writeJSON writes the result with its maps as data: URLs.
func (a *answer) writeJSON(w io.Writer) error {
	if _, err := w.Write(a.json); err != nil {
		return err
	}
	for i, m := range a.maps {
		if _, err := io.WriteString(w, a.beforeMap(i)); err != nil {
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
	if len(a.maps) == 0 {
		return nil
	}
	_, err := io.WriteString(w, afterMaps)
	return err
}
