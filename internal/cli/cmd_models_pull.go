package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/models/download"
)

// mirrorVariable is the environment variable behind --from.
const mirrorVariable = "DECLIP_MIRROR"

// pullOptions are the flags of "declip models pull".
type pullOptions struct{ from string }

// AddFlags declares the flags with their defaults.
func (o *pullOptions) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.from, "from", "", "`URL` of a mirror to download from (default: $"+mirrorVariable+", or else the publisher's address)")
}

func (a *app) newModelsPull() *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull NAME...",
		Short: "Download published models",
		Long: `Download published files, and the files they need, into the models directory.
"declip models list" shows the names. The known licence terms of the weights are
shown before each download.

The same command resumes an interrupted download. A file gets its name only when
it is complete and has the right SHA-256: the published one, or else that of the
file's first download. HTTPS_PROXY
and NO_PROXY set proxies. --from or ` + mirrorVariable + ` names a mirror: an http or
https directory that contains files of the published names.`,
		Example: `  declip models pull declip-vit-ldm
  declip models pull ViT-L/14 RN50`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(cmd, "no model is given; \"declip models list\" shows the names")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.from == "" {
				o.from = os.Getenv(mirrorVariable)
			}
			return a.runModelsPull(cmd.Context(), o, args)
		},
	}
	o.AddFlags(cmd.Flags())
	return cmd
}

func (a *app) runModelsPull(ctx context.Context, o pullOptions, names []string) error {
	entries, err := toPull(names)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := a.pull(ctx, o, e); err != nil {
			return err
		}
	}
	return nil
}

// toPull finds the entries of names, each one followed by those it needs, without repetitions.
func toPull(names []string) ([]models.Entry, error) {
	var list []models.Entry
	for _, name := range names {
		e, ok := models.Lookup(name)
		switch {
		case !ok && slices.Contains(models.Names(), name):
			return nil, fmt.Errorf("model %q is built in: there is nothing to download", name)
		case !ok:
			return nil, fmt.Errorf("model %q is not in the catalogue, which has: %s", name, strings.Join(published(), ", "))
		}
		wanted := []models.Entry{e}
		for _, need := range e.Needs {
			if e, ok := models.Lookup(need); ok {
				wanted = append(wanted, e)
			}
		}
		for _, e := range wanted {
			if !slices.ContainsFunc(list, func(other models.Entry) bool { return other.Name == e.Name }) {
				list = append(list, e)
			}
		}
	}
	return list, nil
}

func published() []string {
	var names []string
	for _, e := range models.Catalogue() {
		names = append(names, e.Name)
	}
	return names
}

// pull downloads one file and prints the outcome.
func (a *app) pull(ctx context.Context, o pullOptions, e models.Entry) error {
	path, err := e.Path()
	if err != nil {
		return err
	}
	address, err := e.Address(o.from)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		a.showLicence(e, address)
	}
	bar := a.newTransfer(e.File)
	defer bar.finish()
	pulled, err := models.Pull(ctx, e, models.PullOptions{
		Mirror:   o.from,
		Client:   download.Client{UserAgent: "declip/" + version()},
		Progress: bar.set,
		Notice:   func(text string) { _ = bar.printf(a.stderr, "%s: %s\n", e.File, text) },
	})
	bar.finish()
	if err != nil {
		return a.explainPull(ctx, e, path, address, err)
	}
	if pulled.Existed {
		_, err = fmt.Fprintf(a.stdout, "%s: already at %s\n", e.Name, pulled.Path)
		return err
	}
	how := "no digest is published"
	switch {
	case pulled.Verified:
		how = "SHA-256 as published"
	case pulled.Recorded:
		how = "SHA-256 as of the first download"
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %s, %s, %s\n", e.Name, pulled.Path, sizeText(pulled.Size), how)
	return err
}

// showLicence prints what is about to be downloaded, and its licence.
func (a *app) showLicence(e models.Entry, address string) {
	fmt.Fprintf(a.stderr, "%s: %s\n  trained on  %s\n  from        %s\n", e.Name, e.About, e.TrainedOn, address)
	fmt.Fprintf(a.stderr, "  licence     of the weights: %s; of the publisher's code: %s\n", e.Licence.Weights, e.Licence.Code)
	if e.Licence.Note != "" {
		fmt.Fprintf(a.stderr, "              %s\n", e.Licence.Note)
	}
	if e.Licence.Attribution != "" {
		fmt.Fprintf(a.stderr, "  authors     %s\n", e.Licence.Attribution)
	}
	fmt.Fprintf(a.stderr, "              %s\n", e.Licence.URL)
}

// explainPull adds to the error of a failed download what can be done.
func (a *app) explainPull(ctx context.Context, e models.Entry, path, address string, err error) error {
	part, pathErr := e.Download()
	if pathErr != nil {
		return err
	}
	if info, e := os.Stat(part + download.PartSuffix); e == nil && info.Size() > 0 && !errors.Is(err, download.ErrBusy) {
		a.say("%s of %s are kept; the same command resumes the download\n", sizeText(info.Size()), part)
	}
	err = fmt.Errorf("%s: %w", e.Name, err)
	var remote *download.RemoteError
	if ctx.Err() != nil || !errors.As(err, &remote) {
		return err
	}
	reason, what := "If it keeps failing,", "the file"
	if e.Archive != nil {
		what = e.Archive.Member + " from it"
	}
	if remote.Unreachable {
		reason = "Without a network here (proxies are taken from HTTPS_PROXY),"
	}
	return fmt.Errorf("%w\n%s download\n  %s\non another machine, put %s at\n  %s\nor name a mirror with --from or %s",
		err, reason, address, what, path, mirrorVariable)
}
