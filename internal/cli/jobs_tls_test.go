package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/declip/declip/internal/jobs/queue"
	"github.com/declip/declip/internal/jobs/queue/queuetest"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/nn/engine/enginetest"
)

// secured is a head that listens with TLS, the flags for its workers and for everybody else, and
// the address of its metrics.
type secured struct {
	address, metrics string
	workers          map[string][]string // by name
	trainer          []string            // a worker of trainings
	others           []string
}

// withKeys starts a head with the documented users: a worker of one tenant, a worker of all, a
// worker of trainings on CPUs, and somebody who submits jobs.
func withKeys(t *testing.T, dir, pool string) secured {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "jobs", "worker-permissions.conf"))
	if err != nil {
		t.Fatal(err)
	}
	const blockBegins, blockEnds = "    {\n      nkey: WORKER_PUBLIC_KEY", "\n    }\n"
	before, rest, ok := strings.Cut(string(text), blockBegins)
	block, after, ends := strings.Cut(rest, blockEnds)
	if !ok || !ends {
		t.Fatal("worker-permissions.conf has no block of a worker")
	}
	authority := queuetest.NewAuthority(t)
	cert, key := authority.Files("head")
	all, submit := queuetest.UserKey(t)
	users := strings.ReplaceAll(before, "DISPATCHER_PUBLIC_KEY", all)
	s := secured{workers: map[string][]string{}, others: []string{"--creds", submit, "--tls-ca", authority.CA()}}
	for name, tenant := range map[string]string{"one": "acme", "two": "*"} {
		public, creds := queuetest.UserKey(t)
		users += strings.NewReplacer("WORKER_PUBLIC_KEY", public, "0123456789ab_gpu", pool, "gpu1", name, ".acme.", "."+tenant+".").
			Replace(blockBegins+block) + "\n    }\n"
		s.workers[name] = []string{"--creds", creds, "--tls-ca", authority.CA()}
	}
	s.workers["one"] = append(s.workers["one"], "--tenant", "acme")
	public, trainer := queuetest.UserKey(t)
	users += strings.NewReplacer("TRAINER_PUBLIC_KEY", public, "train_gpu", "train_cpu", "trainer1", "three").Replace(after)
	s.trainer = []string{"--name", "three", "--creds", trainer, "--tls-ca", authority.CA()}
	file := filepath.Join(dir, "users.conf")
	if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t, dir, "--tls-cert", cert, "--tls-key", key, "--users", file)
	return s
}

// withCertificates starts a head that asks for certificates of clients.
func withCertificates(t *testing.T, dir, _ string) secured {
	t.Helper()
	authority := queuetest.NewAuthority(t)
	files := func(name string) []string {
		cert, key := authority.Files(name)
		return []string{"--tls-cert", cert, "--tls-key", key, "--tls-ca", authority.CA()}
	}
	s := secured{workers: map[string][]string{"one": files("one"), "two": files("two")}, others: files("others")}
	s.start(t, dir, files("head")...)
	return s
}

func (s *secured) start(t *testing.T, dir string, flags ...string) {
	t.Helper()
	p := starting(t, append([]string{
		"jobs", "serve", "--listen", "127.0.0.1:0", "--jobs", filepath.Join(dir, "head"), "--log", "off", "--metrics", "127.0.0.1:0",
	}, flags...)...)
	s.address, s.metrics = p.address(), "http://"+p.address()+"/metrics"
}

// A head and two workers over TLS, with least permissions or with client certificates, and a server
// that takes jobs for them over HTTP: the records are those of localize, and the metrics tell of
// the job.
func TestServeForWorkersOverTLS(t *testing.T) {
	t.Setenv("DECLIP_ORT_LIB", enginetest.Library(t))
	dir := t.TempDir()
	model, photos := filepath.Join(dir, "small.safetensors"), filepath.Join(dir, "photos")
	smallModel(t, model)
	smallPictures(t, photos, 12)
	localized := ran(t, exitOK, "localize", "--json", "-m", model, "-o", filepath.Join(dir, "out"), photos)
	m := modelOptions{models: []string{model}}
	digest, err := localize.Digest(t.Context(), m.models, m.digestOptions())
	if err != nil {
		t.Fatal(err)
	}
	pool, err := queue.PoolName(digest, queue.CPU)
	if err != nil {
		t.Fatal(err)
	}
	for name, head := range map[string]func(*testing.T, string, string) secured{"keys": withKeys, "certificates": withCertificates} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := head(t, dir, pool)
			at := []string{"--nats", "tls://" + s.address, "--store", filepath.Join(dir, "head", "store"), "--source", "inbox=" + photos}
			shown := map[string]string{}
			for worker, flags := range s.workers {
				p := starting(t, append(append([]string{
					"worker", "--name", worker, "--threads", "1", "-m", model, "--log", "off", "--metrics", "127.0.0.1:0",
				}, at...), flags...)...)
				p.line()
				shown[worker] = "http://" + p.address() + "/metrics"
			}
			server := serving(t, append(append([]string{"-m", model, "--tenant", "acme"}, at...), s.others...)...)
			sameRecords(t, jobOverHTTP(t, server), localized, photos)
			for who, address := range map[string]string{"head": s.metrics, "serve": server + "/metrics"} {
				awaitMetrics(t, who, address, "declip_workers 2", "declip_queue_up 1", `declip_jobs{state="done"} 1`,
					`declip_queue_batches{pool="`+pool+`",priority="bulk",state="waiting"} 0`)
			}
			awaitMetrics(t, "head", s.metrics, `declip_job_items_total{pool="`+pool+`",status="ok"} 12`, `declip_jobs_ended_total{state="done"} 1`)
			for worker, address := range shown {
				awaitMetrics(t, worker, address, "declip_queue_connected 1", "declip_queue_denied_total 0", `declip_dead_total{pool="`+pool+`"} 0`)
			}
		})
	}
}

// jobOverHTTP submits a job of all pictures of the source and gives its results.
func jobOverHTTP(t *testing.T, server string) string {
	t.Helper()
	submitted := requested(t, http.MethodPost, server+"/v1/jobs", `{"source": "inbox", "prefix": "", "maps": "none"}`, http.StatusAccepted)
	var st struct{ ID string }
	if err := json.Unmarshal([]byte(submitted), &st); err != nil || st.ID == "" {
		t.Fatalf("%v: %s", err, submitted)
	}
	return requested(t, http.MethodGet, server+"/v1/jobs/"+st.ID+"/results?follow=1", "", http.StatusOK)
}

// awaitMetrics asks for metrics until they have the lines.
func awaitMetrics(t *testing.T, who, address string, lines ...string) {
	t.Helper()
	var text string
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(100 * time.Millisecond) {
		text = requested(t, http.MethodGet, address, "", http.StatusOK)
		missing := false
		for _, line := range lines {
			missing = missing || !strings.Contains(text, "\n"+line+"\n")
		}
		if !missing {
			return
		}
	}
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("the metrics of %s lack %s", who, line)
		}
	}
	t.Log(text)
}

func TestMetricsUsage(t *testing.T) {
	for _, addr := range []string{"9100", ":9100", "127.0.0.1"} {
		ran(t, exitUsage, "jobs", "serve", "--insecure", "--metrics", addr)
	}
	taken := queuetest.Addresses(t, 1)[0]
	dir := t.TempDir()
	starting(t, "jobs", "serve", "--insecure", "--listen", "127.0.0.1:0", "--jobs", filepath.Join(dir, "a"), "--log", "off", "--metrics", taken).line()
	ran(t, exitFailed, "jobs", "serve", "--insecure", "--listen", "127.0.0.1:0", "--jobs", filepath.Join(dir, "b"), "--log", "off", "--metrics", taken)
	if _, err := os.Stat(filepath.Join(dir, "b")); err == nil {
		t.Error("a head without its metrics made a directory")
	}
}
