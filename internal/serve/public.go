package serve

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// headerPrefix is the header in which a reverse proxy says which prefix it has cut from the path.
const headerPrefix = "X-Forwarded-Prefix"

// maxPrefix bounds the length of a prefix, in bytes.
const maxPrefix = 200

// linkBase is what comes before the path of links in a response: Access.PublicURL, or the prefix
// that the reverse proxy says, or nothing. Links have no host unless PublicURL is set, so the host
// does not matter. A client that sends a prefix of its own only gets links that do not work.
func (s *Server) linkBase(r *http.Request) string {
	if s.config.PublicURL != "" {
		return strings.TrimSuffix(s.config.PublicURL, "/")
	}
	prefix := strings.TrimSuffix(r.Header.Get(headerPrefix), "/")
	if len(prefix) > maxPrefix || !plainPrefix(prefix) {
		return ""
	}
	return prefix
}

// plainPrefix reports whether a prefix is a clean path of letters, digits and "-._~": nothing that
// a page or a program could read as another host, or as markup.
func plainPrefix(prefix string) bool {
	return strings.HasPrefix(prefix, "/") && path.Clean(prefix) == prefix && !strings.ContainsFunc(prefix, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/-._~", r))
	})
}

// publicOrigin is the origin of Access.PublicURL, such as https://example.org:8443; "" without one.
func (a Access) publicOrigin() string {
	u, err := url.Parse(a.PublicURL)
	if a.PublicURL == "" || err != nil { // Validate checked it
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// checkPublicURL checks Access.PublicURL.
func checkPublicURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("public URL %q: expected one such as https://example.org/declip", text)
	}
	return nil
}
