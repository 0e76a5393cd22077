package serve

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/declip/declip/internal/jobs"
	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/localize"
)

// document is openapi.yaml, parsed.
type document struct {
	t    *testing.T
	root any
}

func openDocument(t *testing.T) document {
	t.Helper()
	var root any
	if err := yaml.Unmarshal(openAPI, &root); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	return document{t, root}
}

// at gives the value at a path of keys. It resolves references.
func (d document) at(from any, keys ...string) any {
	d.t.Helper()
	for _, key := range keys {
		m, ok := d.follow(from).(map[string]any)
		if !ok || m[key] == nil {
			d.t.Fatalf("openapi.yaml has no %q in %s", key, strings.Join(keys, " / "))
		}
		from = m[key]
	}
	return d.follow(from)
}

func (d document) follow(v any) any {
	d.t.Helper()
	for {
		m, ok := v.(map[string]any)
		if !ok || m["$ref"] == nil {
			return v
		}
		path := strings.TrimPrefix(m["$ref"].(string), "#/")
		v = d.at(d.root, strings.Split(path, "/")...)
	}
}

func keys(v any) []string {
	var list []string
	for k := range v.(map[string]any) {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

func texts(v any) []string {
	var list []string
	for _, item := range v.([]any) {
		list = append(list, item.(string))
	}
	return list
}

// documented are the routes that openapi.yaml describes: all but the page.
func documented(s *Server) []route {
	return slices.DeleteFunc(s.routes(), func(r route) bool {
		return r.pattern == "/{$}" || r.pattern == routeJobsPage || strings.HasPrefix(r.pattern, "/assets/")
	})
}

func TestOpenAPIHasTheRoutes(t *testing.T) {
	d, s := openDocument(t), start(t, testConfig())
	methods := map[string][]string{}
	for _, r := range documented(s.Server) {
		method := strings.ToLower(r.method)
		methods[r.pattern] = append(methods[r.pattern], method)
		operation := d.at(d.root, "paths", r.pattern)
		var query, path, header []string
		if list, ok := d.at(operation, method).(map[string]any)["parameters"].([]any); ok {
			for _, p := range list {
				name := d.at(p, "name").(string)
				switch d.at(p, "in") {
				case "path":
					path = append(path, name)
				case "header":
					header = append(header, name)
				default:
					query = append(query, name)
				}
			}
		}
		if !slices.Equal(query, r.parameters) {
			t.Errorf("%s: parameters %v, expected %v", r.pattern, query, r.parameters)
		}
		if want := pathParameters(r.pattern); !slices.Equal(path, want) {
			t.Errorf("%s: parameters in the path %v, expected %v", r.pattern, path, want)
		}
		if submits := r.pattern == routeJobs && r.method == http.MethodPost; submits != slices.Equal(header, []string{headerIdempotency}) {
			t.Errorf("%s: headers %v", r.pattern, header)
		}
		_, own := d.at(operation, method).(map[string]any)["security"]
		if own != r.open {
			t.Errorf("%s: without a token %v, expected %v", r.pattern, own, r.open)
		}
	}
	if got := keys(d.at(d.root, "paths")); !slices.Equal(got, slices.Sorted(maps.Keys(methods))) {
		t.Errorf("paths %v, expected %v", got, slices.Sorted(maps.Keys(methods)))
	}
	for pattern, list := range methods {
		slices.Sort(list)
		if got := keys(d.at(d.root, "paths", pattern)); !slices.Equal(got, list) {
			t.Errorf("%s: methods %v, expected %v", pattern, got, list)
		}
	}
	if a := s.do(http.MethodGet, "/openapi.yaml", nil); a.status != http.StatusOK || string(a.body) != string(openAPI) {
		t.Errorf("/openapi.yaml: status %d, %d bytes", a.status, len(a.body))
	}
}

func pathParameters(pattern string) (names []string) {
	for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(pattern, -1) {
		names = append(names, m[1])
	}
	return names
}

// The documented values of parameters are those that are accepted.
func TestOpenAPIHasTheValues(t *testing.T) {
	d := openDocument(t)
	for name, values := range map[string][]string{"MapsForm": mapsValues, "ViewName": viewValues, "MaskForm": maskValues[1:], "ResultsFormat": schema.Formats} {
		schema := d.at(d.root, "components", "parameters", name, "schema")
		if got := texts(d.at(schema, "enum")); !slices.Equal(got, values) {
			t.Errorf("%s: %v, expected %v", name, got, values)
		}
		if byDefault, ok := schema.(map[string]any)["default"]; ok && byDefault != values[0] {
			t.Errorf("%s: default %v, expected %s", name, byDefault, values[0])
		}
	}
	kinds := []string{localize.ScorePercentile, localize.ScoreMean, localize.ScoreNetwork, localize.ScoreCalibrated}
	if got := texts(d.at(d.root, "components", "schemas", "Result", "properties", "score_kind", "enum")); !slices.Equal(got, kinds) {
		t.Errorf("score_kind: %v, expected %v", got, kinds)
	}
}

// Responses have the documented fields and types.
func TestOpenAPIHasTheFields(t *testing.T) {
	d := openDocument(t)
	described := map[string]any{
		"Result": resultBody{}, "Region": resultBody{}.Regions, "Maps": mapURLs{}, "RunLengths": runLengths{}, "RunLengthString": runLengths{}, "Batch": batchBody{},
		"Failed": failedBody{}, "Models": modelsBody{}, "Model": modelBody{}, "Limits": limitsBody{}, "Status": statusBody{},
		"Error": errorBody{}, "Problem": errorDetail{}, "Licence": Licence{}, "Measured": Measured{}, "Grades": Grades{},
		"Provenance": localize.Provenance{}, "WeightsFile": localize.WeightsFile{},
		"JobRequest": jobRequest{}, "Job": jobs.Status{}, "JobOptions": schema.Options{}, "SubmittedJob": submittedBody{}, "LeftOut": leftOutBody{},
		"RetriedJob": retriedBody{}, "JobList": jobList{}, "JobRecord": schema.Fields{}, "JobFailure": schema.Failure{}, "Jobs": jobsBody{},
		"Progress": progressBody{}, "ProgressDetail": progressDetail{},
	}
	schemas := d.at(d.root, "components", "schemas")
	for _, name := range keys(schemas) {
		value, ok := described[name]
		if !ok {
			t.Errorf("schema %s belongs to no response", name)
			continue
		}
		kind := reflect.TypeOf(value)
		if kind.Kind() == reflect.Slice {
			kind = kind.Elem()
		}
		fields, required := jsonFields(kind)
		properties := d.at(schemas, name, "properties")
		if got, want := keys(properties), sortedKeys(fields); !slices.Equal(got, want) {
			t.Errorf("%s: fields %v, expected %v", name, got, want)
			continue
		}
		if got := texts(d.at(schemas, name, "required")); !slices.Equal(got, required) {
			t.Errorf("%s: required %v, expected %v", name, got, required)
		}
		for field, want := range fields {
			if got := d.kind(properties, name, field); got != want {
				t.Errorf("%s.%s: type %s, expected %s", name, field, got, want)
			}
		}
		delete(described, name)
	}
	if len(described) > 0 {
		t.Errorf("not documented: %v", described)
	}
}

// anyType is the JSON type of fields that Go declares as any: the counts of run lengths, for each
// of whose forms there is a schema.
const anyType = "array or string"

// kind is the JSON type of a field. The alternatives of a field all have the same type.
func (d document) kind(properties any, schema, field string) string {
	d.t.Helper()
	at := d.at(properties, field).(map[string]any)
	if list, ok := at["oneOf"].([]any); ok {
		at = d.follow(list[0]).(map[string]any)
		for _, other := range list[1:] {
			if d.at(other, "type") != at["type"] {
				d.t.Errorf("%s.%s has alternatives of different types", schema, field)
			}
		}
	}
	if strings.HasPrefix(schema, "RunLength") && field == "counts" {
		return anyType
	}
	return fmt.Sprint(at["type"])
}

// jsonFields gives the JSON types of a struct's fields by name, and the required ones in order.
func jsonFields(kind reflect.Type) (fields map[string]string, required []string) {
	fields = map[string]string{}
	for i := range kind.NumField() {
		f := kind.Field(i)
		if f.Anonymous {
			inner, names := jsonFields(f.Type)
			for name, kind := range inner {
				fields[name] = kind
			}
			required = append(required, names...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name] = jsonType(f.Type)
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	return fields, required
}

func jsonType(kind reflect.Type) string {
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	if kind == reflect.TypeFor[time.Time]() {
		return "string"
	}
	switch kind.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Interface:
		return anyType
	}
	return "object"
}

func sortedKeys(m map[string]string) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// All error codes of the package are documented.
func TestOpenAPIHasTheCodes(t *testing.T) {
	d := openDocument(t)
	described := texts(d.at(d.root, "components", "schemas", "Problem", "properties", "code", "enum"))
	var used []string
	for _, file := range []string{"problem.go", "middleware.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\tcode\w+ += "(\w+)"$`).FindAllStringSubmatch(string(source), -1) {
			used = append(used, m[1])
		}
	}
	slices.Sort(described)
	slices.Sort(used)
	if !slices.Equal(described, used) {
		t.Errorf("codes %v, expected %v", described, used)
	}
}

// Every operation has a name, and lists the statuses of its refusals that any request can get.
func TestOpenAPIHasTheStatuses(t *testing.T) {
	d, s := openDocument(t), start(t, testConfig())
	names := map[string]bool{}
	for _, r := range documented(s.Server) {
		operation := d.at(d.root, "paths", r.pattern, strings.ToLower(r.method))
		name := d.at(operation, "operationId").(string)
		if names[name] {
			t.Errorf("%s: the name %s is taken", r.pattern, name)
		}
		names[name] = true
		responses := keys(d.at(operation, "responses"))
		success := http.StatusOK
		if r.method == http.MethodDelete {
			success = http.StatusNoContent
		}
		want := []int{success, http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusInternalServerError}
		if !r.open {
			want = append(want, http.StatusUnauthorized)
		}
		if strings.HasPrefix(r.pattern, routeJobs) {
			want = append(want, http.StatusNotFound, http.StatusServiceUnavailable)
		}
		if _, takesBody := operation.(map[string]any)["requestBody"]; takesBody {
			want = append(want, http.StatusNotFound, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
				http.StatusTooManyRequests, http.StatusServiceUnavailable)
		}
		for _, status := range want {
			if !slices.Contains(responses, fmt.Sprint(status)) {
				t.Errorf("%s: status %d is not documented", r.pattern, status)
			}
		}
	}
}
