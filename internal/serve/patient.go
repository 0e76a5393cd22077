package serve

import (
	"io"
	"net/http"
	"time"
)

// writePatience is the time that a client has to read a small response, or a part of a large one.
const writePatience = 20 * time.Second

// patientWriter gives a client time for each part of a large response, and Config.Timeout for all
// of it. A client that reads nothing is disconnected soon.
type patientWriter struct {
	w       io.Writer
	control *http.ResponseController
	until   time.Time
	since   int // bytes since the deadline was set
}

// patientPart is the number of bytes that a client must read within writePatience.
const patientPart = 256 << 10

func (s *Server) patient(w http.ResponseWriter) *patientWriter {
	return &patientWriter{w: w, control: http.NewResponseController(w), until: time.Now().Add(s.config.Timeout)}
}

// Write is part of io.Writer.
func (p *patientWriter) Write(data []byte) (n int, err error) {
	for len(data) > 0 {
		if p.since == 0 {
			deadline := time.Now().Add(writePatience)
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
