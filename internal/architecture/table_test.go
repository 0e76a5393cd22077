package architecture

// room is a directory below internal, the root package or the program, with all packages nested in
// it.
type room struct {
	name string
	// does says what a room without a package of its name does.
	does string
	// below are the rooms that its packages may import.
	below []string
	// shared are its nested packages that other rooms may import; the others are its own.
	shared []string
}

// rooms lists every room; a room comes before those it may import. docs/architecture.md has the
// same table.
var rooms = []room{
	{name: "cmd/declip", does: "is the program: one call of `cli`", below: []string{"cli"}},
	{
		name: "cli",
		below: []string{
			"serve", "study", "train", "evaluate", "jobs", "localize", "forge", "dataset", "models", "nn", "picture", "parallel",
		},
	},
	{name: "declip", below: []string{"evaluate", "localize", "picture"}},
	{name: "serve", shared: []string{"serve/webhook"}, below: []string{"jobs", "localize", "picture", "parallel", "files"}},
	{
		name: "study", shared: []string{"study/report"},
		below: []string{"train", "evaluate", "jobs", "localize", "dataset", "models", "nn", "picture", "parallel", "files"},
	},
	{
		name: "train", shared: []string{"train/calibrate", "train/features"},
		below: []string{"localize", "dataset", "models", "nn", "picture", "metric", "numeric", "parallel", "files"},
	},
	{name: "evaluate", below: []string{"localize", "dataset", "nn", "picture", "metric", "parallel"}},
	{
		name: "jobs", below: []string{"files", "parallel"},
		shared: []string{"jobs/queue", "jobs/store", "jobs/schema", "jobs/manifest", "jobs/dispatch", "jobs/worker", "jobs/metrics", "jobs/runs"},
	},
	{name: "localize", below: []string{"forensics", "models", "nn", "picture", "metric", "numeric", "parallel"}},
	{name: "dataset", below: []string{"forensics", "picture", "parallel"}, shared: []string{"dataset/check"}},
	{
		name: "forensics", below: []string{"picture", "numeric", "parallel"},
		shared: []string{"forensics/evidence", "forensics/jpeggrid"},
	},
	{name: "forge", below: []string{"nn", "picture", "parallel"}, shared: []string{"forge/autoencoder"}},
	{
		name: "models", below: []string{"nn", "numeric", "files"},
		shared: []string{"models/convert", "models/download", "models/onnxruntime"},
	},
	{
		name: "nn", does: "holds the networks: formulas, weights, and the engine that runs them", below: []string{"numeric", "parallel", "files"},
		shared: []string{"nn/network", "nn/graph", "nn/weights", "nn/weights/npy", "nn/engine", "nn/optimizer"},
	},
	{name: "picture", below: []string{"parallel", "files"}, shared: []string{"picture/components", "picture/encode"}},
	{name: "metric"},
	{name: "numeric"},
	{name: "parallel"},
	{name: "files"},
}

// testHelpers are packages that only tests, and programs for developers, import.
var testHelpers = []string{
	"nn/engine/enginetest", "nn/network/networktest", "files/powerloss", "picture/rastertest", "jobs/jobstest",
	"jobs/queue/queuetest",
}

// reserved lists packages of other modules that only some packages may import. A name includes all
// packages below it.
var reserved = map[string][]string{
	"github.com/yalue/onnxruntime_go":            {"nn/engine"},
	"github.com/spf13/cobra":                     {"cli"},
	"net/http":                                   {"models/download", "serve", "serve/webhook", "cli", "jobs/store", "jobs/metrics"},
	"google.golang.org/protobuf":                 {"nn/graph", "nn/engine", "train/tensorboard"},
	"testing":                                    testHelpers,
	"github.com/rogpeppe/go-internal":            {},
	"github.com/google/go-cmp":                   {},
	"github.com/prometheus/client_golang":        {"serve", "jobs/metrics"},
	"gonum.org/v1/plot":                          {"study/report"},
	"github.com/chromedp":                        {},
	"github.com/goccy/go-yaml":                   {"study/yamlfile"},
	"github.com/tetratelabs/wazero":              {"picture/sandbox"},
	"github.com/parquet-go/parquet-go":           {"dataset/parquet", "jobs/results"},
	"github.com/klauspost/compress":              {"picture/tiff", "jobs/manifest", "jobs/results"},
	"github.com/nats-io":                         {"jobs/queue", "jobs/queue/queuetest"},
	"github.com/minio/minio-go":                  {"jobs/store"},
	"gocloud.dev":                                {"jobs/store"},
	"github.com/johannesboyne/gofakes3":          {},
	"github.com/declip/declip/internal/parallel": {"parallel"},
}
