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
	f.StringVar(&o.from, "from", "", "address of a folder to fetch from instead (default: $"+mirrorVariable+", else where the files are published)")
}

func (a *app) newModelsPull() *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull NAME...",
		Short: "Fetch published models into the models folder",
		Long: `Fetch published files, and what they need beside them, into the models folder.
"declip models list" shows the names. What is known about the licence of the
weights is shown before each download.

A download that was broken off goes on where it stopped when the command is
given again. A file is found by its name only when it is whole and, where its
SHA-256 is published, has the right one. Proxies are taken from HTTPS_PROXY and
NO_PROXY. --from or ` + mirrorVariable + ` names a mirror: a folder, http or https, that
holds files of the published names.`,
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

// toPull finds the entries of names, each followed by what it needs, none twice.
func toPull(names []string) ([]models.Entry, error) {
	var list []models.Entry
	for _, name := range names {
		e, ok := models.Lookup(name)
		switch {
		case !ok && slices.Contains(models.Names(), name):
			return nil, fmt.Errorf("model %q is built in: there is nothing to fetch", name)
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

// pull fetches one file and says what became of it.
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
	how := "no digest is published for it"
	if pulled.Verified {
		how = "SHA-256 as published"
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %s, %s, %s\n", e.Name, pulled.Path, sizeText(pulled.Size), how)
	return err
}

// showLicence says what is about to be fetched, and on which terms.
func (a *app) showLicence(e models.Entry, address string) {
	fmt.Fprintf(a.stderr, "%s: %s\n  trained on  %s\n  from        %s\n", e.Name, e.About, e.TrainedOn, address)
	fmt.Fprintf(a.stderr, "  licence     of the weights: %s; of the publisher's code: %s\n", e.Licence.Weights, e.Licence.Code)
	if e.Licence.Note != "" {
		fmt.Fprintf(a.stderr, "              %s\n", e.Licence.Note)
	}
	fmt.Fprintf(a.stderr, "              %s\n", e.Licence.URL)
}

// explainPull says what can be done after a download failed.
func (a *app) explainPull(ctx context.Context, e models.Entry, path, address string, err error) error {
	if info, e := os.Stat(path + download.PartSuffix); e == nil && info.Size() > 0 && !errors.Is(err, download.ErrBusy) {
		fmt.Fprintf(a.stderr, "declip: %s of %s are kept: the same command goes on from there\n", sizeText(info.Size()), path)
	}
	err = fmt.Errorf("%s: %w", e.Name, err)
	var remote *download.RemoteError
	if ctx.Err() != nil || !errors.As(err, &remote) {
		return err
	}
	reason := "If it stays so,"
	if remote.Unreachable {
		reason = "Without a network here (proxies are taken from HTTPS_PROXY),"
	}
	return fmt.Errorf("%w\n%s download\n  %s\nelsewhere and put the file at\n  %s\nor name a mirror that has it with --from or %s",
		err, reason, address, path, mirrorVariable)
}
