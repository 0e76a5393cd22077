package serve

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
)

// web is the page: files as they are, in no need of being built.
//
//go:embed web
var web embed.FS

// pageTypes are the types of the page's files: the machine's own table may lack
// some or say otherwise.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".webmanifest": "application/manifest+json",
	".json": "application/json", ".woff2": "font/woff2",
}

// page answers with a file of the page.
func (s *Server) page(w http.ResponseWriter, r *request) error {
	name := "web/index.html"
	if p := r.PathValue("path"); p != "" {
		name = "web/assets/" + p
	} else if r.URL.Path != "/" {
		name = ""
	}
	data, err := fs.ReadFile(web, name)
	if !fs.ValidPath(name) || err != nil {
		return problemf(http.StatusNotFound, codeNotFound, "nothing is found at %.100q", r.URL.Path)
	}
	h := w.Header()
	kind := pageTypes[path.Ext(name)]
	if kind == "" {
		kind = mime.TypeByExtension(path.Ext(name))
	}
	h.Set("Content-Type", kind)
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache") // ask whether it is still the same
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
	return nil
}
