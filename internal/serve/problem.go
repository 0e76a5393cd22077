package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// problem is an error in the form that the client sees.
type problem struct {
	status  int
	code    string        // for programs, listed in openapi.yaml
	message string        // for people
	retry   time.Duration // when the client may try again; 0: not said
	allow   string        // the methods allowed, with status 405
}

func (p *problem) Error() string { return p.message }

func problemf(status int, code, format string, args ...any) *problem {
	return &problem{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// Codes of problems.
const (
	codeRequest     = "bad_request"
	codePicture     = "bad_picture"
	codeLarge       = "too_large"
	codeBusy        = "busy"
	codeTimeout     = "timeout"
	codeStopping    = "stopping"
	codeModel       = "unknown_model"
	codeNotFound    = "not_found"
	codeMethod      = "method_not_allowed"
	codeToken       = "unauthorized"
	codeForbidden   = "forbidden"
	codeEncoding    = "unsupported_encoding"
	codeFetch       = "fetch_failed"
	codeConflict    = "conflict"
	codeUnavailable = "unavailable"
	codeInternal    = "internal"
)

// errorBody is the response to a request that fails.
type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// asProblem maps an error to what the client sees of it. Unexpected errors become a bare 500.
func asProblem(err error) *problem {
	var p *problem
	switch {
	case parallel.Stack(err) != nil: // a panic, even of a value that matches below
	case errors.As(err, &p):
		return p
	case errors.Is(err, localize.ErrTooLarge):
		return problemf(http.StatusRequestEntityTooLarge, codeLarge, "%v", err)
	case errors.Is(err, picture.ErrEmpty):
		return problemf(http.StatusBadRequest, codeRequest, "no picture was sent: the body is empty")
	case errors.Is(err, localize.ErrFormat):
		return problemf(http.StatusUnsupportedMediaType, codePicture, "%v", err)
	}
	return problemf(http.StatusInternalServerError, codeInternal, "internal error; the server's log has the cause")
}

// badPicture maps an error of decoding. An unexpected error is the picture's fault; a panic and the
// end of the context are not.
func badPicture(err error) error {
	if parallel.Stack(err) != nil || isContextError(err) {
		return err
	}
	if p := asProblem(err); p.status != http.StatusInternalServerError {
		return p
	}
	return problemf(http.StatusUnprocessableEntity, codePicture, "%v", err)
}

// nothingAt is the problem of a request for an unknown path.
func nothingAt(path string) *problem {
	return problemf(http.StatusNotFound, codeNotFound, "nothing is found at %.100q", path)
}

// busy is the problem of a request that finds no room.
func busy(retry time.Duration, format string, args ...any) *problem {
	p := problemf(http.StatusTooManyRequests, codeBusy, format, args...)
	p.retry = retry
	return p
}

// timedOut is the problem of a request that was not answered in time.
func timedOut(limit time.Duration) *problem {
	p := problemf(http.StatusServiceUnavailable, codeTimeout, "no result within %v: the server is overloaded", limit)
	p.retry = limit
	return p
}

// write sends the problem as the response.
func (p *problem) write(w http.ResponseWriter) {
	h := w.Header()
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(retrySeconds(p.retry)))
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="declip"`)
	}
	writeJSON(w, p.status, errorBody{errorDetail{p.code, p.message}})
}

// retrySeconds rounds up to whole seconds, 1 to 120.
func retrySeconds(d time.Duration) int {
	return min(max(int((d+time.Second-1)/time.Second), 1), 120)
}

// writeJSON sends a value as JSON.
func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		// Responses are structs of plain fields, which can always be encoded.
		panic(fmt.Errorf("encoding a response: %w", err))
	}
	body = append(body, '\n')
	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client has left
}
