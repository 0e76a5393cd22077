package serve

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/declip/declip/internal/parallel"
)

// batchBody is the response to POST /v1/batch: a resultBody or failedBody for each picture, in the
// order in which the client sent them.
type batchBody struct {
	Results []json.RawMessage `json:"results"`
}

// failedBody is the result of a picture in a batch that could not be localized.
type failedBody struct {
	Image string      `json:"image"`
	Error errorDetail `json:"error"`
}

// batch handles POST /v1/batch. The queue takes all of its pictures or none. Results are written as
// soon as they are there, so that the whole response is never in memory.
func (s *Server) batch(w http.ResponseWriter, r *request) error {
	p, err := s.parseParams(r)
	if err != nil {
		return err
	}
	if p.view != "" || p.stream {
		return problemf(http.StatusBadRequest, codeRequest, "the response to a batch is JSON, not Accept: %s", r.Header.Get("Accept"))
	}
	if _, form, err := isForm(r.Request); err == nil && !form {
		return problemf(http.StatusUnsupportedMediaType, codeRequest, "expected multipart/form-data with fields %q", fieldImage)
	}
	if !r.query.has(paramMaps) {
		p.maps = mapsNone
	}
	if err := s.precheck(p.model, r, s.config.MaxPictures); err != nil {
		return err
	}
	b := s.newBody(w, r.Request, r.deadline)
	defer func() { r.log.read = b.read; b.release() }()
	files, err := b.readUploads(r.Request, s.config.MaxBytes, s.config.MaxPictures)
	if err != nil {
		return err
	}
	start := time.Now()
	jobs := make([]*job, len(files))
	for i, f := range files {
		jobs[i] = newJob(r.Context(), p.model, f)
	}
	defer func() {
		for _, j := range jobs {
			j.leave()
		}
	}()
	if err := s.enqueue(r, p.model, jobs); err != nil {
		return err
	}
	w.Header().Set("Content-Type", typeJSON)
	to := s.patient(w)
	to.until = r.deadline.Add(s.config.Timeout) // results are computed and written in turn
	s.writeBatch(to, r, p, jobs, start)
	return nil
}

// enqueue puts the jobs into the queue, except those whose picture is refused by its header.
func (s *Server) enqueue(r *request, m *modelQueue, jobs []*job) error {
	var good []*job
	for _, j := range jobs {
		err := parallel.Catch(func() error { return j.inspect(s.config.MaxPixels) })
		if err != nil {
			j.finish(nil, nil, err)
			continue
		}
		r.log.pixels += j.pixels
		good = append(good, j)
	}
	if !m.queue.put(good...) {
		return s.queueFull(m)
	}
	return nil
}

// writeBatch writes the results in the order of the jobs. An error of a picture is written in its
// place, because the response has begun with a status of 200.
func (s *Server) writeBatch(w io.Writer, r *request, p params, jobs []*job, start time.Time) {
	separator := `{"results":[`
	for _, j := range jobs {
		if _, err := io.WriteString(w, separator); err != nil {
			return // the client has left
		}
		if err := s.writeResult(w, r, p, j, start); err != nil {
			return
		}
		separator = ","
	}
	_, _ = io.WriteString(w, "]}\n")
}

// writeResult writes the result of a job, or why there is none. Its error is that of writing.
func (s *Server) writeResult(w io.Writer, r *request, p params, j *job, start time.Time) error {
	var a *answer
	var held int64 // bytes of the memory for responses
	defer func() { s.out.give(held) }()
	err := parallel.Catch(func() (err error) {
		if a, err = s.waitAnswer(r, p, j, start); err != nil {
			return err
		}
		size := min(a.size(), s.out.size)
		if err := s.out.take(r.Context(), size); err != nil {
			return err
		}
		held = size
		parallel.Point(stageWrite)
		return nil
	})
	if err == nil {
		return a.writeJSON(w)
	}
	problem := s.explain(r.Request, r.log.id, err)
	text, err := json.Marshal(failedBody{j.file.name, errorDetail{problem.code, problem.message}})
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// waitAnswer waits for a job and encodes its result. The memory for its pixels is then free.
func (s *Server) waitAnswer(r *request, p params, j *job, start time.Time) (*answer, error) {
	defer j.leave()
	if err := j.wait(r.Context()); err != nil {
		return nil, err
	}
	return s.newAnswer(r.Context(), p, j, start)
}
