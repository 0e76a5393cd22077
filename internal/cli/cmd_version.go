package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/nn/engine"
)

// Version and Commit are set when a release is built
// (-ldflags "-X github.com/declip/declip/internal/cli.Version=v1.2.3"). Without them both are taken
// from what Go records in the program.
var (
	Version = ""
	Commit  = ""
)

// versionOptions are the flags of "declip version".
type versionOptions struct{ json bool }

func (a *app) newVersion() *cobra.Command {
	var o versionOptions
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of declip and of its engine",
		Long: `Print the version, the commit, the Go version and the platform, and the version
and path of the engine if one is found. A missing engine is not an error here;
"declip doctor" tells more.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return a.runVersion(o) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// addVersionFlag makes "declip --version" do what "declip version" does.
func (a *app) addVersionFlag(root *cobra.Command) {
	asked := root.Flags().Bool("version", false, "print the version and exit")
	run := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *asked && len(args) == 0 {
			return a.runVersion(versionOptions{})
		}
		return run(cmd, args)
	}
}

// build describes the program, as "declip version --json" prints it.
type build struct {
	Version  string       `json:"version"`
	Commit   string       `json:"commit,omitempty"`   // missing if unknown
	Modified bool         `json:"modified,omitempty"` // built from files that differ from the commit
	Go       string       `json:"go"`
	Platform string       `json:"platform"` // as GOOS/GOARCH
	Engine   *buildEngine `json:"engine"`   // null if none is found
}

// buildEngine describes the engine's library.
type buildEngine struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Library string `json:"library"` // path
	Source  string `json:"source"`  // how it was found
}

func (a *app) runVersion(o versionOptions) error {
	b := currentBuild()
	if e, err := engine.Open(engine.Options{Library: a.library, Device: "cpu"}); err == nil {
		info := e.Info()
		b.Engine = &buildEngine{"ONNX Runtime", info.Version, info.Library, info.Source}
	}
	if o.json {
		e := json.NewEncoder(a.stdout)
		e.SetIndent("", "  ")
		return e.Encode(b)
	}
	_, err := fmt.Fprint(a.stdout, b.text())
	return err
}

// text is the description on two lines.
func (b build) text() string {
	facts := []string{b.Go, b.Platform}
	if b.Commit != "" {
		commit := "commit " + b.Commit[:min(12, len(b.Commit))]
		if b.Modified {
			commit += " with changes"
		}
		facts = append([]string{commit}, facts...)
	}
	engine := "engine: none found; \"declip doctor --install\" installs one"
	if e := b.Engine; e != nil {
		engine = fmt.Sprintf("engine: %s %s, %s (%s)", e.Name, e.Version, e.Library, e.Source)
	}
	return fmt.Sprintf("declip %s (%s)\n%s\n", b.Version, strings.Join(facts, ", "), engine)
}

// version returns the release, or a name for the commit that the program was built from.
func version() string { return currentBuild().Version }

func currentBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describeBuild(info)
}

// pseudoVersion matches the version that Go gives a commit without a tag. It ends in the time and
// the first 12 digits of the commit.
var pseudoVersion = regexp.MustCompile(`[-.]\d{14}-([0-9a-f]{12})(\+|$)`)

// describeBuild reads what Go records in the program: of a build in a checkout the commit, of "go
// install ...@version" the module's version, of a test neither.
func describeBuild(info *debug.BuildInfo) build {
	b := build{Commit: Commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	module := info.Main.Version
	if module == "(devel)" {
		module = ""
	}
	if b.Commit == "" {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if match := pseudoVersion.FindStringSubmatch(module); match != nil && b.Commit == "" {
		b.Commit = match[1]
	}
	switch {
	case Version != "":
		b.Version = Version
	case module != "":
		b.Version = module
	case b.Commit != "":
		b.Version = "development-" + b.Commit[:min(12, len(b.Commit))]
		if b.Modified {
			b.Version += "+changes"
		}
	default:
		b.Version = "development"
	}
	return b
}
