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

// web holds the files of the page. They are served as they are; there is no build step.
//
//go:embed web
var web embed.FS

// pageTypes are the media types of the page's files. The table of the operating system may lack
// some or differ.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".webmanifest": "application/manifest+json",
	".json": "application/json", ".woff2": "font/woff2",
}

// page handles GET /, GET /assets/ and, on servers with jobs, GET /jobs: it sends a file of the
// page.
func (s *Server) page(w http.ResponseWriter, r *request) error {
	name := "web/index.html"
	if p := r.PathValue("path"); p != "" {
		name = "web/assets/" + p
	} else if r.URL.Path == routeJobsPage && s.config.Jobs != nil {
		name = "web/jobs.html"
	} else if r.URL.Path != "/" {
		name = ""
	}
	data, err := fs.ReadFile(web, name)
	if !fs.ValidPath(name) || err != nil {
		return nothingAt(r.URL.Path)
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
	h.Set("Cache-Control", "no-cache") // clients ask whether it has changed
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
	return nil
}
