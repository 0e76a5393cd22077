package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// statusLeft is the status in log and metrics of a client that left before its
// answer. It is never sent.
const (
	statusLeft = 499
	codeLeft   = "client_left"
)

// securityHeaders go with every answer. The page needs scripts, styles and pictures of
// its own, and pictures that it makes itself.
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

// answerPatience is how long a client may take for a small answer, or for a part
// of a large one.
const answerPatience = 20 * time.Second

// guard wraps everything: what it refuses no route sees, and what a route does
// wrong ends there.
func (s *Server) guard(next http.Handler) http.Handler {
	foreign := http.NewCrossOriginProtection()
	for _, origin := range s.config.Origins {
		if origin != "*" {
			_ = foreign.AddTrustedOrigin(origin) // WithDefaults looked at them
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := newEntry(w, r)
		handling(r, true)
		defer handling(r, false)
		s.stats.active.Inc()
		defer s.stats.active.Dec()
		defer func() { s.finish(e, r, recover()) }()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.config.Timeout + answerPatience))
		for name, value := range securityHeaders {
			e.Header().Set(name, value)
		}
		e.Header().Set("Cache-Control", "no-store")
		r = r.WithContext(context.WithValue(r.Context(), entryKey{}, e))
		if done := s.crossOrigin(e, r); done {
			return
		}
		if err := s.admit(foreign, r); err != nil {
			s.answer(e, r, e, err)
			return
		}
		next.ServeHTTP(e, r)
	})
}

// admit refuses requests by their head alone.
func (s *Server) admit(foreign *http.CrossOriginProtection, r *http.Request) error {
	if s.stopping.Load() && r.Method != http.MethodGet {
		p := problemf(http.StatusServiceUnavailable, codeStopping, "the server is about to end")
		p.retry = s.config.Grace
		return p
	}
	if !s.knownHost(r.Host) {
		return problemf(http.StatusForbidden, codeForbidden, "host %.100q is not served here", r.Host)
	}
	if !slices.Contains(s.config.Origins, "*") {
		if err := foreign.Check(r); err != nil {
			return problemf(http.StatusForbidden, codeForbidden, "a page of another server may not call this one")
		}
	}
	if p := r.URL.Path; !plainPath(p) {
		return problemf(http.StatusNotFound, codeNotFound, "nothing is found at %.100q", p)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return problemf(http.StatusUnsupportedMediaType, codeEncoding, "a body in Content-Encoding %.40q, expected none", encoding)
	}
	return nil
}

// plainPath refuses what http.ServeMux would clean and redirect.
func plainPath(p string) bool {
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return strings.HasPrefix(p, "/") && clean == p && !strings.ContainsAny(p, "\\\x00")
}

// knownHost keeps pages that had their name resolved to this machine from
// reading what it says.
func (s *Server) knownHost(host string) bool {
	if len(s.config.Hosts) == 0 {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return true
	}
	return slices.ContainsFunc(s.config.Hosts, func(name string) bool { return strings.EqualFold(name, host) })
}

// crossOrigin gives pages of other servers leave to call, if they have it. It
// tells whether the request is answered with that.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) bool {
	if len(s.config.Origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(s.config.Origins, origin) && !slices.Contains(s.config.Origins, "*") {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Retry-After, Declip-Score, Declip-Threshold, Declip-SHA256")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// authorized compares the token in a time that does not depend on it.
func (s *Server) authorized(r *http.Request) bool {
	if s.config.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(s.config.Token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func discard(r io.Reader, most int64) { _, _ = io.CopyN(io.Discard, r, most) }

// discardLog takes what net/http says about connections: of interest to who looks
// for it only.
func discardLog(l *slog.Logger) *log.Logger {
	return slog.NewLogLogger(l.Handler(), slog.LevelDebug)
}
