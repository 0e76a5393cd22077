package serve

import (
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// batchBody answers POST /v1/batch: for each picture, in the order in which they
// were sent, its result or what was wrong with it.
type batchBody struct {
	Results []json.RawMessage `json:"results"`
}

// failedBody stands in a batch for a picture that could not be localized.
type failedBody struct {
	Image string      `json:"image"`
	Error errorDetail `json:"error"`
}

// batch answers POST /v1/batch. The queue takes all of its pictures or none, and the
// answer is written as the results come, so that it is never in memory whole.
func (s *Server) batch(w http.ResponseWriter, r *request) error {
	want, err := s.wants(r)
	if err != nil {
		return err
	}
	if want.view != "" {
		return problemf(http.StatusBadRequest, codeRequest, "a batch is answered with JSON, not with Accept: %s", typePNG)
	}
	if _, form, err := isForm(r.Request); err == nil && !form {
		return problemf(http.StatusUnsupportedMediaType, codeRequest, "a batch comes as multipart/form-data with fields %q", fieldImage)
	}
	if !r.query.values.Has("maps") {
		want.maps = mapsNone
	}
	if err := s.precheck(want.lane, r, s.config.MaxPictures); err != nil {
		return err
	}
	b := s.newBody(w, r.Request, r.deadline)
	defer func() { r.log.read = b.read; b.release() }()
	files, err := b.readUploads(r.Request, s.config.MaxBytes, s.config.MaxPictures)
	if err != nil {
		return err
	}
	start := time.Now()
	members := s.members(r, want.lane, files)
	defer func() {
		for _, m := range members {
			m.leave()
		}
	}()
	if err := s.enqueue(want.lane, members); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	to := s.patient(w)
	to.until = r.deadline.Add(s.config.Timeout) // results are computed and written in turn
	return s.writeBatch(to, r, want, members, start)
}

// member is a picture of a batch: a job, or why it is none.
type member struct {
	*job
	name string
	err  error
}

func (m member) leave() {
	if m.job != nil {
		m.job.leave()
	}
}

func (s *Server) members(r *request, l *lane, files []upload) []member {
	list := make([]member, len(files))
	for i, f := range files {
		j, err := s.newJob(r.Context(), l, f)
		if list[i] = (member{j, f.name, err}); err == nil {
			r.log.pixels += j.task.pixels
		}
	}
	return list
}

func (s *Server) enqueue(l *lane, members []member) error {
	var tasks []*task
	for _, m := range members {
		if m.err == nil {
			tasks = append(tasks, m.task)
		}
	}
	if !l.queue.put(tasks...) {
		return s.full(l)
	}
	return nil
}

// writeBatch writes the answers as they come. Once it has begun, what goes wrong
// is said in the place of the picture.
func (s *Server) writeBatch(w io.Writer, r *request, want wanted, members []member, start time.Time) error {
	if _, err := io.WriteString(w, `{"results":[`); err != nil {
		return nil // the client has left
	}
	for i, m := range members {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		if err := s.writeMember(w, r, want, m, start); err != nil {
			return nil
		}
	}
	_, _ = io.WriteString(w, "]}\n")
	return nil
}

// writeMember writes the answer about one picture. The error is that of writing.
func (s *Server) writeMember(w io.Writer, r *request, want wanted, m member, start time.Time) error {
	body, size, err := s.memberBody(r, want, m, start)
	defer s.out.give(size)
	if err != nil {
		p := s.explain(r.Request, err)
		text, err := json.Marshal(failedBody{m.name, errorDetail{p.code, p.message}})
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	}
	return body.writeTo(w)
}

// memberBody waits for a picture and encodes its answer, whose size bytes are
// taken from the memory for answers, also after an error.
func (s *Server) memberBody(r *request, want wanted, m member, start time.Time) (body jsonBody, size int64, err error) {
	if m.err != nil {
		return jsonBody{}, 0, m.err
	}
	defer m.leave()
	o, err := m.wait(r.Context())
	if err != nil {
		return jsonBody{}, 0, err
	}
	a, err := s.newAnswer(want, m.job, o, start)
	if err != nil {
		return jsonBody{}, 0, err
	}
	size = min(a.size(), s.out.size)
	if err := s.out.take(r.Context(), size); err != nil {
		return jsonBody{}, 0, err
	}
	body, err = a.json()
	return body, size, err
}
