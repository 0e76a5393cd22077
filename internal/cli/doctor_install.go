package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/models/download"
	"github.com/declip/declip/internal/models/onnxruntime"
	"github.com/declip/declip/internal/nn/engine"
)

// installOptions are the flags of "declip doctor" that install the engine's library.
type installOptions struct {
	install bool
	from    string
}

// installHelp is the part of "declip doctor --help" about these flags.
const installHelp = `--install downloads ONNX Runtime ` + onnxruntime.Version + ` for this platform from the npm package
onnxruntime-node (MIT licence, about 114 MB), checks its SHA-256 digest and puts
the library into the user's cache, where declip finds it. If the library exists
already, nothing is downloaded. An interrupted download is resumed. Another npm
registry is taken from npm_config_registry, proxies from HTTPS_PROXY and
NO_PROXY. --from or ` + mirrorVariable + ` names another source: the address of the package
or of a directory that contains it, or, without a network, a local file.`

// AddFlags declares the flags with their defaults.
func (o *installOptions) AddFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.install, "install", false, "install ONNX Runtime for this platform, then show what is found")
	f.StringVar(&o.from, "from", "",
		"with --install: address or path of the package or its directory (default: $"+mirrorVariable+", else the npm registry)")
}

// check refuses flags that do not go together, and fills in the mirror.
func (o *installOptions) check(cmd *cobra.Command) error {
	if o.from != "" && !o.install {
		return usagef(cmd, "--from needs --install")
	}
	if o.from == "" {
		o.from = os.Getenv(mirrorVariable)
	}
	return nil
}

// runInstall installs a package's library and reports where it is.
func (a *app) runInstall(ctx context.Context, p onnxruntime.Package, o installOptions) error {
	source, err := p.Source(o.from)
	if err != nil {
		return err
	}
	bar := a.newTransfer(p.File)
	defer bar.finish()
	options := onnxruntime.Options{
		Source:   source,
		Client:   download.Client{UserAgent: "declip/" + version()},
		Progress: bar.set,
		Notice:   func(text string) { _ = bar.printf(a.stderr, "%s: %s\n", p.File, text) },
	}
	path, err := p.Target(options)
	if errors.Is(err, onnxruntime.ErrPlatform) {
		return fmt.Errorf("%w\nInstall ONNX Runtime %s or later with your system's packages, or build it, and name its library in %s",
			err, engine.MinVersion, engine.LibraryVariable)
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		fmt.Fprintf(a.stderr, "ONNX Runtime %s\n  from        %v (%s)\n  to          %s\n  licence     %s\n              %s\n",
			onnxruntime.Version, source, sizeText(p.Size), path, onnxruntime.Licence, onnxruntime.LicenceURL)
	}
	installed, err := onnxruntime.Install(ctx, p, options)
	bar.finish()
	if err != nil {
		return explainInstall(ctx, p, source, err)
	}
	if installed.Existed {
		_, err = fmt.Fprintf(a.stdout, "ONNX Runtime %s: already at %s\n", onnxruntime.Version, installed.Path)
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "ONNX Runtime %s: %s, %s, SHA-256 as published\n",
		onnxruntime.Version, installed.Path, sizeText(installed.Size))
	return err
}

// explainInstall adds to err what can be done after a failed download.
func explainInstall(ctx context.Context, p onnxruntime.Package, source onnxruntime.Source, err error) error {
	err = fmt.Errorf("installing ONNX Runtime: %w", err)
	var remote *download.RemoteError
	if ctx.Err() != nil || !errors.As(err, &remote) {
		return err
	}
	reason := "If the problem persists,"
	if remote.Unreachable {
		reason = "Without a network here (proxies are taken from HTTPS_PROXY),"
	}
	return fmt.Errorf("%w\n%s download\n  %s\nelsewhere and run\n  declip doctor --install --from %s", err, reason, source, p.File)
}
