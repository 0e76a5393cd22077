package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/declip/declip/internal/parallel"
)

// statusLeft is the status, in the log and in metrics, of a request whose client left before the
// response. A client that only closes its sending side looks the same, and can read the response.
const (
	statusLeft = 499
	codeLeft   = "client_left"
)

// securityHeaders are in every response. The page needs its own scripts, styles and pictures, and
// pictures that it makes itself.
var securityHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; " +
		"form-action 'self'; frame-ancestors 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(self), geolocation=(), microphone=()",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
}

// middleware wraps all routes. It checks the headers of requests, logs and counts requests, and
// turns a panic of a route into a status of 500.
func (s *Server) middleware(next http.Handler) http.Handler {
	foreign := http.NewCrossOriginProtection()
	for _, origin := range append(slices.Clone(s.config.Origins), s.config.publicOrigin()) {
		if origin != anyOrigin && origin != "" {
			_ = foreign.AddTrustedOrigin(origin) // Config.Validate checked it
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := newAccessLog(w)
		beginHandling(r)
		s.stats.active.Inc()
		defer s.stats.active.Dec()
		err := parallel.Catch(func() error {
			s.admit(foreign, next, e, r.WithContext(context.WithValue(r.Context(), accessLogKey{}, e)))
			return nil
		})
		s.finish(e, r, err)
	})
}

// admit passes a request on if its headers are in order.
func (s *Server) admit(foreign *http.CrossOriginProtection, next http.Handler, e *accessLog, r *http.Request) {
	_ = http.NewResponseController(e).SetWriteDeadline(time.Now().Add(s.config.Timeout + writePatience))
	for name, value := range securityHeaders {
		e.Header().Set(name, value)
	}
	e.Header().Set("Cache-Control", "no-store")
	if done := s.crossOrigin(e, r); done {
		return
	}
	if err := s.checkHeaders(foreign, r); err != nil {
		s.writeError(e, r, e, err)
		return
	}
	next.ServeHTTP(e, r)
}

// checkHeaders refuses requests by their headers alone.
func (s *Server) checkHeaders(foreign *http.CrossOriginProtection, r *http.Request) error {
	if s.stopping.Load() && r.Method != http.MethodGet {
		return s.stoppingProblem()
	}
	if !s.knownHost(r.Host) {
		return problemf(http.StatusForbidden, codeForbidden, "host %.100q is not served", r.Host)
	}
	if !slices.Contains(s.config.Origins, anyOrigin) {
		if err := foreign.Check(r); err != nil {
			return problemf(http.StatusForbidden, codeForbidden, "pages of other origins may not call this server")
		}
	}
	if p := r.URL.Path; !plainPath(p) {
		return nothingAt(p)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return problemf(http.StatusUnsupportedMediaType, codeEncoding, "Content-Encoding %.40q is not supported, expected none", encoding)
	}
	return nil
}

// stoppingProblem is the problem of requests that come too late.
func (s *Server) stoppingProblem() *problem {
	p := problemf(http.StatusServiceUnavailable, codeStopping, "the server is stopping")
	p.retry = s.config.Grace
	return p
}

// plainPath reports whether http.ServeMux would take a path as it is, without a redirect.
func plainPath(p string) bool {
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return strings.HasPrefix(p, "/") && clean == p && !strings.ContainsAny(p, "\\\x00")
}

// knownHost reports whether the server may be addressed by a host name. Otherwise a page whose name
// was made to resolve to this machine (DNS rebinding) could read responses.
func (s *Server) knownHost(host string) bool {
	if len(s.config.Hosts) == 0 {
		return true
	}
	name, port := splitHost(host)
	if ip := net.ParseIP(name); ip != nil && ip.IsLoopback() {
		return true
	}
	_, public, _ := strings.Cut(s.config.publicOrigin(), "://")
	if publicName, _ := splitHost(public); publicName != "" && strings.EqualFold(publicName, name) {
		return true
	}
	return slices.ContainsFunc(s.config.Hosts, func(known string) bool {
		knownName, knownPort := splitHost(known)
		return strings.EqualFold(knownName, name) && (knownPort == "" || knownPort == port)
	})
}

// splitHost gives the name and the port, if there is one, of a host as the Host header has it.
func splitHost(host string) (name, port string) {
	if n, p, err := net.SplitHostPort(host); err == nil {
		host, port = n, p
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), "."), port
}

// checkHost checks one of Access.Hosts.
func checkHost(host string) error {
	name, port := splitHost(host)
	if _, err := strconv.ParseUint(port, 10, 16); port != "" && err != nil {
		return fmt.Errorf("host %q: expected a number as the port", host)
	}
	if name == "" || strings.ContainsAny(name, "/ ") || strings.Contains(name, ":") && net.ParseIP(name) == nil {
		return fmt.Errorf("host %q: expected a name with or without a port, such as example.org", host)
	}
	return nil
}

// crossOrigin sets the headers that allow pages of the configured origins to call. It reports
// whether it has handled the request, as it does with a preflight.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) bool {
	if len(s.config.Origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(s.config.Origins, origin) && !slices.Contains(s.config.Origins, anyOrigin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", strings.Join([]string{"Retry-After", headerLocation, headerScore, headerThreshold, headerSHA256}, ", "))
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, "+headerIdempotency)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// authorized checks the token and gives the tenant that it belongs to. It compares with all tokens,
// in a time that does not depend on them.
func (s *Server) authorized(r *http.Request) (tenant string, ok bool) {
	if s.config.Jobs != nil {
		tenant = s.config.Jobs.Tenant
	}
	if s.config.Token == "" && len(s.config.Tenants) == 0 {
		return tenant, true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	known := append([]Tenant{{tenant, s.config.Token}}, s.config.Tenants...)
	for _, t := range known {
		want := sha256.Sum256([]byte(t.Token))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 1 && t.Token != "" {
			tenant, ok = t.Name, true
		}
	}
	return tenant, ok && strings.EqualFold(scheme, "Bearer")
}

// isContextError reports whether err says that time is up or the client has left. A panic does not.
func isContextError(err error) bool {
	return parallel.Stack(err) == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

func discard(r io.Reader, limit int64) { _, _ = io.CopyN(io.Discard, r, limit) }

// debugLog is the log for messages of net/http about connections, which matter for debugging only.
func debugLog(l *slog.Logger) *log.Logger {
	return slog.NewLogLogger(l.Handler(), slog.LevelDebug)
}
