package serve

import (
	"encoding/json"
	"net/http"
	"time"
)

// progressEvery is the time between two lines about the progress of a picture.
const progressEvery = 400 * time.Millisecond

// progressBody is a line of a response of typeStream, before the last one.
type progressBody struct {
	Progress progressDetail `json:"progress"`
}

type progressDetail struct {
	State string `json:"state"` // stateWaiting or stateWorking
	Ahead int    `json:"ahead"` // pictures in the queue before this one
	Done  int    `json:"done"`  // tiles that the network has finished
	Total int    `json:"total"` // tiles of the picture; 0 if not known
}

// Values of progressDetail.State.
const (
	stateWaiting = "waiting"
	stateWorking = "working"
)

// lastError is the last line of a response of typeStream that fails. Its status would have been the
// response's, which had begun.
type lastError struct {
	Error  errorDetail `json:"error"`
	Status int         `json:"status"`
}

// stream responds with lines about the progress of a job, then with its result or its error. A job
// that ends before the first line is due gets an ordinary response with its own status.
func (s *Server) stream(w http.ResponseWriter, r *request, p params, j *job, finished func() (*answer, error)) error {
	begun := s.writeProgress(w, r, j)
	a, err := finished()
	if err == nil {
		return s.send(w, r, p, a)
	}
	if !begun {
		return err
	}
	problem := s.explain(r.Request, r.log.id, err)
	r.log.problem = problem.code
	writeLine(w, lastError{errorDetail{problem.code, problem.message}, problem.status})
	return nil
}

// writeProgress writes a line whenever the progress has changed, until the job is finished or the
// request ends. It reports whether it has written one.
func (s *Server) writeProgress(w http.ResponseWriter, r *request, j *job) (begun bool) {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	var last progressDetail
	for {
		select {
		case <-j.done:
			return begun
		case <-r.Context().Done():
			return begun
		case <-ticker.C:
		}
		now := j.progress()
		if begun && now == last {
			continue
		}
		if !begun {
			w.Header().Set("Content-Type", typeStream)
			w.Header().Set("X-Accel-Buffering", "no") // nginx would hold the lines back
		}
		begun, last = true, now
		writeLine(w, progressBody{now})
	}
}

// progress says how far a job is.
func (j *job) progress() progressDetail {
	if ahead, waits := j.model.queue.ahead(j); waits {
		return progressDetail{State: stateWaiting, Ahead: ahead}
	}
	d := progressDetail{State: stateWorking}
	if t := j.tiles.Load(); t != nil {
		d.Done, d.Total = t.done, t.total
	}
	return d
}

// writeLine writes a value as one line and sends it at once. An error means that the client has
// left, which ends the request's context.
func writeLine(w http.ResponseWriter, value any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err) // structs of plain fields can always be encoded
	}
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(writePatience))
	if _, err := w.Write(append(line, '\n')); err == nil {
		_ = control.Flush()
	}
}
