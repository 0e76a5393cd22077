package serve

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// route is what is answered at a path. openapi.yaml describes those that it
// documents; a test compares the two.
type route struct {
	pattern    string // of http.ServeMux, without a method
	method     string // GET stands for HEAD too
	open       bool   // no token is asked for
	parameters []string
	handle     func(w http.ResponseWriter, r *request) error
}

// request is a request whose head was checked.
type request struct {
	*http.Request
	query    query
	deadline time.Time
	log      *entry
}

func (s *Server) routes() []route {
	return []route{
		{"/v1/localize", http.MethodPost, false, []string{"model", "threshold", "maps", "view", "mask", "url"}, s.localize},
		{"/v1/batch", http.MethodPost, false, []string{"model", "threshold", "maps", "mask"}, s.batch},
		{"/v1/models", http.MethodGet, false, nil, s.models},
		{"/v1/maps/{id}/{view}", http.MethodGet, true, nil, s.linked},
		{"/healthz", http.MethodGet, true, nil, s.healthy},
		{"/readyz", http.MethodGet, true, nil, s.ready},
		{"/metrics", http.MethodGet, false, nil, s.metrics},
		{"/openapi.yaml", http.MethodGet, true, nil, s.openAPI},
		{"/{$}", http.MethodGet, true, nil, s.page},
		{"/assets/{path...}", http.MethodGet, true, nil, s.page},
	}
}

// newHandler puts the routes behind the checks that all requests pass.
func (s *Server) newHandler() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.routes() {
		mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) { s.serveRoute(rt, w, r) })
	}
	missing := func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, s.entry(r), problemf(http.StatusNotFound, codeNotFound, "nothing is found at %.100q", r.URL.Path))
	}
	mux.HandleFunc("/", missing)
	mux.HandleFunc("/assets", missing) // which ServeMux would redirect
	return s.guard(mux)
}

// serveRoute checks method, token and parameters, and has the route answer.
func (s *Server) serveRoute(rt route, w http.ResponseWriter, r *http.Request) {
	e := s.entry(r)
	e.route = rt.pattern
	ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	s.answer(w, r, e, func() error {
		if r.Method != rt.method && !(r.Method == http.MethodHead && rt.method == http.MethodGet) {
			p := problemf(http.StatusMethodNotAllowed, codeMethod, "%.20s is not for %s, expected %s", r.Method, rt.pattern, rt.method)
			p.allow = rt.method
			return p
		}
		if !rt.open && !s.authorized(r) {
			return problemf(http.StatusUnauthorized, codeToken, "a token is needed: Authorization: Bearer TOKEN")
		}
		q, err := parseQuery(r.URL.RawQuery, rt.parameters)
		if err != nil {
			return err
		}
		if rt.method == http.MethodGet && r.ContentLength != 0 {
			return problemf(http.StatusBadRequest, codeRequest, "%s takes no body", rt.pattern)
		}
		return rt.handle(w, &request{Request: r.WithContext(ctx), query: q, deadline: deadline, log: e})
	}())
}

// answer tells the client of an error, if there is one.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, e *entry, err error) {
	if err == nil {
		return
	}
	p := s.explain(r, err)
	e.problem = p.code
	if p.status == http.StatusInternalServerError {
		s.config.Log.Error("failed", "id", e.id, "error", err.Error())
	}
	if e.status != 0 { // the answer has begun
		return
	}
	refuse(w, r, p)
}

// explain makes a problem of an error; those of a context mean that time was up,
// or that nobody listens any more.
func (s *Server) explain(r *http.Request, err error) *problem {
	p := asProblem(err)
	if p.status != http.StatusInternalServerError || !isContextError(err) {
		return p
	}
	if r.Context().Err() != nil {
		return problemf(statusLeft, codeLeft, "the client has left")
	}
	return timedOut(s.config.Timeout)
}

// lingering is how long what a refused client still sends is read, so that its
// side finds the answer before it finds the connection closed.
const (
	lingering      = time.Second
	lingeringBytes = 8 << 20
)

// refuse answers with a problem at once, while a body may be on its way.
func refuse(w http.ResponseWriter, r *http.Request, p *problem) {
	if r.ContentLength == 0 || r.Body == http.NoBody {
		p.write(w)
		return
	}
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex() // so that the answer does not wait for the body
	w.Header().Set("Connection", "close")
	p.write(w)
	_ = control.Flush()
	_ = control.SetReadDeadline(time.Now().Add(lingering))
	discard(r.Body, lingeringBytes)
}

// query are the parameters that routes take.
type query struct{ values url.Values }

func (q query) get(name string) string { return q.values.Get(name) }

// parseQuery refuses what it does not know: a parameter that is misspelt must
// not be taken for one that is not given.
func parseQuery(raw string, known []string) (query, error) {
	if len(raw) > 4096 {
		return query{}, problemf(http.StatusBadRequest, codeRequest, "the parameters have %d bytes, expected at most 4096", len(raw))
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, problemf(http.StatusBadRequest, codeRequest, "the parameters cannot be read: %v", err)
	}
	for name, list := range values {
		if !slices.Contains(known, name) {
			return query{}, problemf(http.StatusBadRequest, codeRequest, "parameter %.40q is unknown, expected %s", name, listOr(known))
		}
		if len(list) > 1 {
			return query{}, problemf(http.StatusBadRequest, codeRequest, "parameter %q is given %d times", name, len(list))
		}
	}
	return query{values}, nil
}

func listOr(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// choice is a parameter that has one of some values; the first is the default.
func (q query) choice(name string, values ...string) (string, error) {
	v := q.get(name)
	if !q.values.Has(name) {
		return values[0], nil
	}
	if !slices.Contains(values, v) || v == "" {
		return "", problemf(http.StatusBadRequest, codeRequest, "%s=%.40q: expected %s", name, v, listOr(slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })))
	}
	return v, nil
}
