package serve

import (
	_ "embed"
	"net/http"
	"strconv"
)

// modelsBody answers GET /v1/models.
type modelsBody struct {
	Models  []modelBody `json:"models"`
	Limits  limitsBody  `json:"limits"`
	Version string      `json:"version"`
}

type modelBody struct {
	Name        string   `json:"name"`
	Default     bool     `json:"default"`
	Description string   `json:"description"`
	Arch        string   `json:"arch"`
	SizeMode    string   `json:"size_mode"`
	Threshold   float64  `json:"threshold"`
	KnownLimits []string `json:"known_limits"`
}

type limitsBody struct {
	MaxBytes         int64 `json:"max_bytes"`
	MaxPixels        int64 `json:"max_pixels"`
	TimeoutMS        int64 `json:"timeout_ms"`
	MaxBatchPictures int   `json:"max_batch_pictures"`
}

func (s *Server) models(w http.ResponseWriter, _ *request) error {
	b := modelsBody{Version: s.config.Version, Limits: limitsBody{
		MaxBytes: s.config.MaxBytes, MaxPixels: s.config.MaxPixels,
		TimeoutMS: s.config.Timeout.Milliseconds(), MaxBatchPictures: s.config.MaxPictures,
	}}
	for i, l := range s.lanes {
		info := l.Localizer.Info()
		b.Models = append(b.Models, modelBody{
			Name: l.Name, Default: i == 0, Description: l.Description, Arch: info.Network, SizeMode: info.SizeMode,
			Threshold: s.config.Threshold, KnownLimits: append([]string{}, l.KnownLimits...),
		})
	}
	writeJSON(w, http.StatusOK, b)
	return nil
}

type statusBody struct {
	Status string `json:"status"`
}

// healthy answers GET /healthz: the process is alive.
func (s *Server) healthy(w http.ResponseWriter, _ *request) error {
	writeJSON(w, http.StatusOK, statusBody{"ok"})
	return nil
}

// ready answers GET /readyz: new requests are welcome.
func (s *Server) ready(w http.ResponseWriter, _ *request) error {
	if s.stopping.Load() {
		return problemf(http.StatusServiceUnavailable, codeStopping, "the server is about to end")
	}
	writeJSON(w, http.StatusOK, statusBody{"ready"})
	return nil
}

func (s *Server) metrics(w http.ResponseWriter, r *request) error {
	s.stats.handler().ServeHTTP(w, r.Request)
	return nil
}

//go:embed openapi.yaml
var openAPI []byte

func (s *Server) openAPI(w http.ResponseWriter, _ *request) error {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(openAPI)))
	_, _ = w.Write(openAPI)
	return nil
}
