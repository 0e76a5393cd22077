package serve

import (
	_ "embed"
	"net/http"
	"strconv"

	"github.com/declip/declip/internal/localize"
)

// modelsBody is the response to GET /v1/models.
type modelsBody struct {
	Models  []modelBody `json:"models"`
	Limits  limitsBody  `json:"limits"`
	Version string      `json:"version"`
	// StoresPictures says that the server keeps the pictures and their results.
	StoresPictures bool `json:"stores_pictures"`
	// Jobs is missing if the server takes no jobs.
	Jobs *jobsBody `json:"jobs,omitempty"`
}

// modelBody describes a model.
type modelBody struct {
	Name        string               `json:"name"`
	Default     bool                 `json:"default"`
	Description string               `json:"description"`
	Arch        string               `json:"arch"`
	SizeMode    string               `json:"size_mode"`
	Threshold   float64              `json:"threshold"`
	KnownLimits []string             `json:"known_limits"`
	Licence     *Licence             `json:"licence,omitempty"`
	Measured    *Measured            `json:"measured,omitempty"` // at Threshold
	Provenance  *localize.Provenance `json:"provenance,omitempty"`
}

// limitsBody holds the limits on requests.
type limitsBody struct {
	MaxBytes         int64 `json:"max_bytes"`
	MaxPixels        int64 `json:"max_pixels"`
	TimeoutMS        int64 `json:"timeout_ms"`
	MaxBatchPictures int   `json:"max_batch_pictures"`
}

// describeModels handles GET /v1/models.
func (s *Server) describeModels(w http.ResponseWriter, _ *request) error {
	b := modelsBody{Version: s.config.Version, StoresPictures: s.config.Archive != "", Jobs: s.config.Jobs.describe(), Limits: limitsBody{
		MaxBytes: s.config.MaxBytes, MaxPixels: s.config.MaxPixels,
		TimeoutMS: s.config.Timeout.Milliseconds(), MaxBatchPictures: s.config.MaxPictures,
	}}
	for i, m := range s.models {
		info := m.Localizer.Info()
		b.Models = append(b.Models, modelBody{
			Name: m.Name, Default: i == 0, Description: m.Description, Arch: info.Network, SizeMode: info.SizeMode,
			Threshold: s.config.Threshold, KnownLimits: append([]string{}, m.KnownLimits...),
			Licence: m.Licence, Measured: m.measuredAt(s.config.Threshold), Provenance: m.Provenance,
		})
	}
	writeJSON(w, http.StatusOK, b)
	return nil
}

// statusBody is the response to /healthz and /readyz.
type statusBody struct {
	Status string `json:"status"`
}

// healthy handles GET /healthz: the process is alive.
func (s *Server) healthy(w http.ResponseWriter, _ *request) error {
	writeJSON(w, http.StatusOK, statusBody{"ok"})
	return nil
}

// ready handles GET /readyz: new requests are accepted.
func (s *Server) ready(w http.ResponseWriter, _ *request) error {
	if s.draining.Load() {
		return problemf(http.StatusServiceUnavailable, codeStopping, "the server is stopping")
	}
	writeJSON(w, http.StatusOK, statusBody{"ready"})
	return nil
}

// metrics handles GET /metrics.
func (s *Server) metrics(w http.ResponseWriter, r *request) error {
	s.stats.handler().ServeHTTP(w, r.Request)
	return nil
}

// openAPI describes the API for programs.
//
//go:embed openapi.yaml
var openAPI []byte

// openAPI handles GET /openapi.yaml.
func (s *Server) openAPI(w http.ResponseWriter, _ *request) error {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(openAPI)))
	_, _ = w.Write(openAPI)
	return nil
}
