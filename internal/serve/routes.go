package serve

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Paths of the routes, as http.ServeMux takes them.
const (
	routeLocalize   = "/v1/localize"
	routeBatch      = "/v1/batch"
	routeModels     = "/v1/models"
	routeMaps       = "/v1/maps/"
	routeMap        = routeMaps + "{id}/{view}"
	routeHealth     = "/healthz"
	routeReady      = "/readyz"
	routeMetrics    = "/metrics"
	routeOpenAPI    = "/openapi.yaml"
	routeJobs       = "/v1/jobs"
	routeJob        = routeJobs + "/{id}"
	routeJobResults = routeJob + "/results"
	routeJobEvents  = routeJob + "/events"
	routeJobMap     = routeJob + "/maps/{item}/{view}"
	routeJobPause   = routeJob + "/pause"
	routeJobResume  = routeJob + "/resume"
	routeJobCancel  = routeJob + "/cancel"
	routeJobRetry   = routeJob + "/retry"
	routePage       = "/{$}"
	routeJobsPage   = "/jobs"
	routeAssets     = "/assets/{path...}"
)

// route is one method of a path, with its handler. openapi.yaml describes all but the page; a test
// compares the two.
type route struct {
	pattern    string // of http.ServeMux, without a method
	method     string // GET includes HEAD
	open       bool   // no token is required
	parameters []string
	handle     func(w http.ResponseWriter, r *request) error
}

// request is a request whose headers were checked.
type request struct {
	*http.Request
	query    query
	tenant   string // whose jobs it may see
	deadline time.Time
	log      *accessLog
}

func (s *Server) routes() []route {
	localize := []string{paramModel, paramThreshold, paramMaps, paramView, paramMask, paramURL}
	batch := []string{paramModel, paramThreshold, paramMaps, paramMask}
	return append([]route{
		{routeLocalize, http.MethodPost, false, localize, s.localize},
		{routeBatch, http.MethodPost, false, batch, s.batch},
		{routeModels, http.MethodGet, false, nil, s.describeModels},
		{routeMap, http.MethodGet, true, nil, s.linkedMap},
		{routeHealth, http.MethodGet, true, nil, s.healthy},
		{routeReady, http.MethodGet, true, nil, s.ready},
		{routeMetrics, http.MethodGet, false, nil, s.metrics},
		{routeOpenAPI, http.MethodGet, true, nil, s.openAPI},
		{routePage, http.MethodGet, true, nil, s.page},
		{routeJobsPage, http.MethodGet, true, nil, s.page},
		{routeAssets, http.MethodGet, true, nil, s.page},
	}, s.jobRoutes()...)
}

// follows reports whether a response may take longer than Config.Timeout.
func (rt route) follows() bool { return rt.pattern == routeJobResults || rt.pattern == routeJobEvents }

// newHandler puts the routes behind the middleware.
func (s *Server) newHandler() http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]route{}
	for _, rt := range s.routes() {
		methods[rt.pattern] = append(methods[rt.pattern], rt)
	}
	for pattern, list := range methods {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serveRoute(list, w, r) })
	}
	missing := func(w http.ResponseWriter, r *http.Request) {
		s.writeError(w, r, accessLogOf(r), nothingAt(r.URL.Path))
	}
	mux.HandleFunc("/", missing)
	mux.HandleFunc("/assets", missing) // ServeMux would redirect it
	return s.middleware(mux)
}

// routeOf finds the route of a method among those of a path.
func routeOf(list []route, method string) (route, error) {
	var allowed []string
	for _, rt := range list {
		if method == rt.method || method == http.MethodHead && rt.method == http.MethodGet {
			return rt, nil
		}
		allowed = append(allowed, rt.method)
	}
	p := problemf(http.StatusMethodNotAllowed, codeMethod, "method %.20s is not allowed for %s, expected %s", method, list[0].pattern, strings.Join(allowed, " or "))
	p.allow = strings.Join(allowed, ", ")
	return route{}, p
}

// serveRoute checks method, token and parameters before the route handles the request. list has the
// routes of the path.
func (s *Server) serveRoute(list []route, w http.ResponseWriter, r *http.Request) {
	e := accessLogOf(r)
	e.route = list[0].pattern
	s.writeError(w, r, e, func() error {
		rt, err := routeOf(list, r.Method)
		if err != nil {
			return err
		}
		tenant, ok := s.authorized(r)
		if !rt.open && !ok {
			return problemf(http.StatusUnauthorized, codeToken, "a token is required: Authorization: Bearer TOKEN")
		}
		q, err := parseQuery(r.URL.RawQuery, rt.parameters)
		if err != nil {
			return err
		}
		if rt.method == http.MethodGet && r.ContentLength != 0 {
			return problemf(http.StatusBadRequest, codeRequest, "%s takes no body", rt.pattern)
		}
		ctx := r.Context()
		if !rt.follows() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, s.config.Timeout)
			defer cancel()
		}
		deadline, _ := ctx.Deadline()
		return rt.handle(w, &request{Request: r.WithContext(ctx), query: q, tenant: tenant, deadline: deadline, log: e})
	}())
}

// writeError sends err to the client, unless the response has begun; nil is ignored.
func (s *Server) writeError(w http.ResponseWriter, r *http.Request, e *accessLog, err error) {
	if err == nil {
		return
	}
	p := s.explain(r, e.id, err)
	e.problem = p.code
	if e.status == 0 {
		refuse(w, r, p)
	}
}

// explain maps an error to what the client sees of it. It logs errors that are the server's own
// under the request's ID. An error of the context means that the request's time is up, or that the
// client has left.
func (s *Server) explain(r *http.Request, id string, err error) *problem {
	p := asProblem(err)
	switch {
	case p.code != codeInternal:
		return p
	case !isContextError(err):
		s.stats.reportFailure(s.config.Log, id, err)
		return p
	case r.Context().Err() != nil:
		return problemf(statusLeft, codeLeft, "the client has left")
	}
	return timedOut(s.config.Timeout)
}

// After a refusal, what the client still sends is read for this long. Otherwise it may find the
// connection closed before it reads the response.
const (
	lingering      = time.Second
	lingeringBytes = 8 << 20
)

// refuse sends a problem at once, even while the client still sends its body.
func refuse(w http.ResponseWriter, r *http.Request, p *problem) {
	if r.ContentLength == 0 || r.Body == http.NoBody {
		p.write(w)
		return
	}
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex() // so that the response does not wait for the body
	w.Header().Set("Connection", "close")
	p.write(w)
	_ = control.Flush()
	_ = control.SetReadDeadline(time.Now().Add(lingering))
	discard(r.Body, lingeringBytes)
}
