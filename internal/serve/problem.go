package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// problem is an error that a client is told about.
type problem struct {
	status  int
	code    string // for programs; the names in openapi.yaml
	message string // for people
	retry   time.Duration
	allow   string // methods, with 405
}

func (p *problem) Error() string { return p.message }

func problemf(status int, code, format string, args ...any) *problem {
	return &problem{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// Codes of problems.
const (
	codeRequest   = "bad_request"
	codePicture   = "bad_picture"
	codeLarge     = "too_large"
	codeBusy      = "busy"
	codeTimeout   = "timeout"
	codeStopping  = "stopping"
	codeModel     = "unknown_model"
	codeNotFound  = "not_found"
	codeMethod    = "method_not_allowed"
	codeToken     = "unauthorized"
	codeForbidden = "forbidden"
	codeEncoding  = "unsupported_encoding"
	codeFetch     = "fetch_failed"
	codeInternal  = "internal"
)

// errorBody is what every problem is answered with.
type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// asProblem says what a client is told about an error; what is not foreseen is
// not told.
func asProblem(err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, localize.ErrTooLarge):
		return problemf(http.StatusRequestEntityTooLarge, codeLarge, "%v", err)
	case errors.Is(err, picture.ErrEmpty):
		return problemf(http.StatusBadRequest, codeRequest, "no picture was sent: the body is empty")
	case errors.Is(err, localize.ErrFormat):
		return problemf(http.StatusUnsupportedMediaType, codePicture, "%v", err)
	}
	return problemf(http.StatusInternalServerError, codeInternal, "the server failed; its log says why")
}

// badPicture says what is wrong with the bytes of a picture.
func badPicture(err error) *problem {
	if p := asProblem(err); p.status != http.StatusInternalServerError {
		return p
	}
	return problemf(http.StatusUnprocessableEntity, codePicture, "%v", err)
}

// busy says that there is no place now.
func busy(retry time.Duration, format string, args ...any) *problem {
	p := problemf(http.StatusTooManyRequests, codeBusy, format, args...)
	p.retry = retry
	return p
}

// timedOut says that a request's time was up.
func timedOut(limit time.Duration) *problem {
	p := problemf(http.StatusServiceUnavailable, codeTimeout, "no answer within %v: the server has too much to do", limit)
	p.retry = limit
	return p
}

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

// retrySeconds are whole seconds, 1 to 120.
func retrySeconds(d time.Duration) int {
	return min(max(int((d+time.Second-1)/time.Second), 1), 120)
}

// writeJSON answers with a value that can be encoded.
func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("an answer that is no JSON: %v", err)) // answers are structs of plain fields
	}
	body = append(body, '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has left needs no answer
}
