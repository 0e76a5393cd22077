package serve

import (
	"net/http"
	"time"
)

// localize handles POST /v1/localize.
func (s *Server) localize(w http.ResponseWriter, r *request) error {
	p, err := s.parseParams(r)
	if err != nil {
		return err
	}
	if err := s.precheck(p.model, r, 1); err != nil {
		return err
	}
	b := s.newBody(w, r.Request, r.deadline)
	defer func() { r.log.read = b.read; b.release() }()
	file, err := s.receive(b, r)
	if err != nil {
		return err
	}
	start := time.Now()
	j := newJob(r.Context(), p.model, file)
	defer j.leave()
	if err := j.inspect(s.config.MaxPixels); err != nil {
		return err
	}
	r.log.pixels = j.pixels
	if !p.model.queue.put(j) {
		return s.queueFull(p.model)
	}
	if p.stream {
		return s.stream(w, r, p, j, func() (*answer, error) { return s.finished(r, p, j, b, start) })
	}
	a, err := s.finished(r, p, j, b, start)
	if err != nil {
		return err
	}
	return s.send(w, r, p, a)
}

// finished waits for a job and encodes its result. The job's memory is then free.
func (s *Server) finished(r *request, p params, j *job, b *body, start time.Time) (*answer, error) {
	if err := j.wait(r.Context()); err != nil {
		return nil, err
	}
	if s.config.Archive == "" { // the file is no longer needed
		j.file.data = nil
		b.release()
	}
	a, err := s.newAnswer(r.Context(), p, j, start)
	if err == nil {
		j.leave()
	}
	return a, err
}

// receive reads the picture of a request, or fetches it.
func (s *Server) receive(b *body, r *request) (upload, error) {
	if r.query.has(paramURL) {
		b.finish()
		return s.fetch(b, r)
	}
	list, err := b.readUploads(r.Request, s.config.MaxBytes, 1)
	if err != nil {
		return upload{}, err
	}
	return list[0], nil
}

// precheck refuses a request before its body is read, if it would be refused afterwards.
func (s *Server) precheck(m *modelQueue, r *request, pictures int) error {
	if room := (s.config.MaxBytes + multipartRoom) * int64(pictures); r.ContentLength > room {
		return problemf(http.StatusRequestEntityTooLarge, codeLarge, "the body has %d bytes, the limit is %d for a picture", r.ContentLength, s.config.MaxBytes)
	}
	if m.queue.length() >= m.queue.limit || m.wait() > s.config.Timeout {
		return s.queueFull(m)
	}
	return nil
}

// queueFull is the error for a request that finds no room in the queue of a model.
func (s *Server) queueFull(m *modelQueue) error {
	return busy(s.retryAfter(), "%d pictures already wait for model %s: try again later", m.queue.length(), m.Name)
}
