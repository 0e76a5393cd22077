package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/models"
)

// States of a model.
const (
	stateBuiltIn = "built in"
	statePresent = "present"
	statePartial = "partial" // an unfinished download
	stateAbsent  = "absent"
)

// listed is what "declip models list --json" prints for a model.
type listed struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Size is that of the file, in bytes; left out if there is none.
	Size int64  `json:"size,omitempty"`
	Path string `json:"path,omitempty"`
	// Published is the entry of the catalogue; left out for other files.
	Published *models.Entry `json:"published,omitempty"`
}

func (a *app) newModelsList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the published and the installed models",
		Long: `List the built-in models, the published files that declip can use, and all other
files in the models directory.

With --json, one object per line: name, state ("built in", "present", "partial"
for an unfinished download, "absent"), size in bytes, path, and for published
files their address, digest, licence and the files they need.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return a.runModelsList(asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line instead of text")
	return cmd
}

func (a *app) runModelsList(asJSON bool) error {
	list, err := listModels()
	if err != nil {
		return err
	}
	if asJSON {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetEscapeHTML(false)
		for _, m := range list {
			if err := encoder.Encode(m); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "name\tstate\tsize\tcontents")
	for _, m := range list {
		size := "-"
		if m.Size > 0 {
			size = sizeText(m.Size)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", m.Name, m.State, size, m.holds())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	dir, err := models.Dir()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "\nmodels directory: %s\n\"declip models pull NAME\" downloads a published model and shows its licence.\n", dir)
	return err
}

func (m listed) holds() string {
	switch {
	case m.Published != nil:
		return m.Published.About + "; trained on " + m.Published.TrainedOn
	case m.State == stateBuiltIn:
		return "declip's own model"
	}
	return "not in the catalogue"
}

// listModels joins the built-in models, the published ones and those in the models directory.
func listModels() ([]listed, error) {
	contents, err := models.Contents()
	if err != nil {
		return nil, err
	}
	var list []listed
	for _, name := range models.Names() {
		list = append(list, listed{Name: name, State: stateBuiltIn, Size: int64(models.Size(name))})
	}
	for _, e := range models.Catalogue() {
		m := listed{Name: e.Name, State: stateAbsent, Published: &e}
		for _, s := range contents {
			if s.Published != nil && s.Published.Name == e.Name && m.State != statePresent {
				m.State, m.Size, m.Path = state(s), s.Size, s.Path
			}
		}
		list = append(list, m)
	}
	for _, s := range contents {
		if s.Published == nil {
			list = append(list, listed{Name: s.Name, State: state(s), Size: s.Size, Path: s.Path})
		}
	}
	return list, nil
}

func state(s models.Stored) string {
	if s.Partial {
		return statePartial
	}
	return statePresent
}
