package serve

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Names of query parameters.
const (
	paramModel     = "model"
	paramThreshold = "threshold"
	paramMaps      = "maps"
	paramMask      = "mask"
	paramView      = "view"
	paramURL       = "url"
)

// Values of query parameters.
const (
	mapsData  = "data"
	mapsProb  = "prob" // as data, but what the network gives only: probabilities and confidence
	mapsLinks = "links"
	mapsNone  = "none"

	viewProb       = "prob"
	viewMask       = "mask"
	viewOverlay    = "overlay"
	viewConfidence = "confidence" // of models that give one

	maskRLE       = "rle"
	maskRLEString = "rle-string"
)

// Values that each parameter may have; the first is the default.
var (
	mapsValues = []string{mapsData, mapsProb, mapsLinks, mapsNone}
	viewValues = []string{viewProb, viewMask, viewOverlay, viewConfidence}
	maskValues = []string{"", maskRLE, maskRLEString}
)

// Media types that the Accept header can ask for, in addition to JSON.
const (
	typeJSON = "application/json"
	typePNG  = "image/png"
	typeRLE  = "application/vnd.coco.rle+json"
	// typeStream is lines of JSON: how far the server is, then the result or the error.
	typeStream = "application/x-ndjson"
)

// params is what a request for results asks for.
type params struct {
	model     *modelQueue
	threshold float64 // in (0,1)
	maps      string  // one of mapsValues
	mask      string  // one of maskValues
	view      string  // the response is this map as PNG; empty: the response is JSON
	stream    bool    // lines about the progress come before the result
	linkBase  string  // what comes before the path of links
}

// parseParams reads the parameters of a request for results.
func (s *Server) parseParams(r *request) (p params, err error) {
	p.model, p.threshold, p.linkBase = s.models[0], s.config.Threshold, s.linkBase(r.Request)
	if r.query.has(paramModel) {
		name := r.query.get(paramModel)
		if p.model = s.model(name); p.model == nil {
			return p, problemf(http.StatusNotFound, codeModel, "model %.100q is unknown, expected one of: %s", name, s.modelNames())
		}
	}
	r.log.model = p.model.Name
	if r.query.has(paramThreshold) {
		text := r.query.get(paramThreshold)
		p.threshold, err = strconv.ParseFloat(text, 64)
		if err != nil || !(p.threshold > 0 && p.threshold < 1) {
			return p, problemf(http.StatusBadRequest, codeRequest, "threshold=%.40q: expected a number between 0 and 1, exclusive", text)
		}
	}
	if p.maps, err = r.query.choice(paramMaps, mapsValues); err != nil {
		return p, err
	}
	if p.mask, err = r.query.choice(paramMask, maskValues); err != nil {
		return p, err
	}
	view, err := r.query.choice(paramView, viewValues)
	if err != nil {
		return p, err
	}
	kind, err := accepted(r.Header.Values("Accept"))
	if err != nil {
		return p, err
	}
	switch kind {
	case typePNG:
		p.view = view
	case typeStream:
		p.stream = true
	case typeRLE:
		p.maps = mapsNone
		if p.mask == "" {
			p.mask = maskRLE
		}
	}
	if p.view == "" && kind != typeRLE && r.query.has(paramView) {
		return p, problemf(http.StatusBadRequest, codeRequest, "view=%s requires the header Accept: %s", view, typePNG)
	}
	return p, nil
}

// views are the maps to encode.
func (p params) views() []string {
	switch {
	case p.view != "":
		return []string{p.view}
	case p.maps == mapsNone:
		return nil
	case p.maps == mapsProb:
		return []string{viewProb, viewConfidence}
	}
	return viewValues
}

// modelNames lists the models, for error messages.
func (s *Server) modelNames() string {
	var names []string
	for _, m := range s.models {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

// query holds the query parameters of a request.
type query struct{ values url.Values }

// maxQueryBytes bounds the query of a request.
const maxQueryBytes = 4096

// parseQuery refuses unknown parameters, so that a misspelt one is not ignored.
func parseQuery(raw string, known []string) (query, error) {
	if len(raw) > maxQueryBytes {
		return query{}, problemf(http.StatusBadRequest, codeRequest, "the parameters have %d bytes, expected at most %d", len(raw), maxQueryBytes)
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

func (q query) has(name string) bool   { return q.values.Has(name) }
func (q query) get(name string) string { return q.values.Get(name) }

// choice is a parameter that has one of the given values; the first is the default.
func (q query) choice(name string, values []string) (string, error) {
	if !q.has(name) {
		return values[0], nil
	}
	v := q.get(name)
	if v == "" || !slices.Contains(values, v) {
		named := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
		return "", problemf(http.StatusBadRequest, codeRequest, "%s=%.40q: expected %s", name, v, listOr(named))
	}
	return v, nil
}

// flag is a parameter that is 0 or 1; it is false by default.
func (q query) flag(name string) (bool, error) {
	v, err := q.choice(name, []string{"0", "1"})
	return v == "1", err
}

// listOr lists names for error messages.
func listOr(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
