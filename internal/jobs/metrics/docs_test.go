package metrics_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/declip/declip/internal/jobs/metrics"
	"github.com/declip/declip/internal/jobs/queue"
)

var nameInText = regexp.MustCompile(`declip_[a-z_]*[a-z]`)

// names lists the metrics of jobs.
func names(t *testing.T) map[string]bool {
	t.Helper()
	m := metrics.New()
	m.Dispatcher()
	m.Worker(nil)
	m.Queue(&queue.Memory{}, nil)
	described := make(chan *prometheus.Desc, 100)
	m.Describe(described)
	close(described)
	list := map[string]bool{}
	for d := range described {
		name := nameInText.FindString(d.String())
		if list[name] || name == "" {
			t.Errorf("%v is there twice or has another name", d)
		}
		list[name] = true
	}
	return list
}

// mentioned lists the metrics that a text names, of histograms without the ends of their series.
func mentioned(text string, known map[string]bool) (list []string) {
	for _, name := range nameInText.FindAllString(text, -1) {
		for _, end := range []string{"_bucket", "_sum", "_count"} {
			if base, cut := strings.CutSuffix(name, end); cut && known[base] {
				name = base
			}
		}
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every metric that the dashboard and the alerts name exists, and the page has all of them.
func TestDocumentedMetrics(t *testing.T) {
	known := names(t)
	page := read(t, "jobs.md")
	files := map[string]string{"jobs.md": page, "jobs/dashboard.json": read(t, "jobs/dashboard.json"), "jobs/alerts.yaml": read(t, "jobs/alerts.yaml")}
	for file, text := range files {
		list := mentioned(text, known)
		if len(list) < 8 {
			t.Errorf("%s names only %q", file, list)
		}
		for _, name := range list {
			if !known[name] {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
	}
	for name := range known {
		if !strings.Contains(page, "`"+name) {
			t.Errorf("jobs.md lacks %s", name)
		}
	}
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(files["jobs/alerts.yaml"], -1) {
		if !strings.Contains(page, "`"+alert[1]+"`") {
			t.Errorf("jobs.md does not say what to do about %s", alert[1])
		}
	}
}

// The dashboard is JSON as Grafana reads it: each panel has a title of its own and asks for
// something.
func TestDashboard(t *testing.T) {
	var d struct {
		Title  string
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "jobs/dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || len(d.Panels) < 10 {
		t.Errorf("got %d panels of %q", len(d.Panels), d.Title)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.H == 0 {
			t.Errorf("panel %+v is not as expected", p)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			if strings.Count(q.Expr, "(") != strings.Count(q.Expr, ")") || !strings.Contains(q.Expr, "declip_") {
				t.Errorf("panel %q asks for %q", p.Title, q.Expr)
			}
		}
	}
}
