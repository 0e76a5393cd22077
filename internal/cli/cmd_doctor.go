package cli

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/models/onnxruntime"
	"github.com/declip/declip/internal/nn/engine"
)

func (a *app) newDoctor() *cobra.Command {
	var o installOptions
	var nats natsOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show the engine, the devices and the models that declip finds",
		Long: `Show the engine with its version and devices, the processor, and where declip
looks for models. The exit code is 1 if there is no engine.

With --nats, show the servers of a queue of jobs instead, and whether these
credentials can use them. The exit code is 1 if something is missing.

` + installHelp,
		Example: `  declip doctor
  declip doctor --nats tls://head:4222 --creds submit.nk
  declip doctor --install
  declip doctor --install --from onnxruntime-node-` + onnxruntime.Version + `.tgz`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			if nats.url != "" {
				return a.runDoctorNATS(cmd.Context(), nats)
			}
			if o.install {
				if err := a.runInstall(cmd.Context(), onnxruntime.Pinned(), o); err != nil {
					return err
				}
			}
			return a.runDoctor()
		},
	}
	o.AddFlags(cmd.Flags())
	section(cmd.Flags(), "Queue of jobs", nats.AddFlags)
	return cmd
}

func (a *app) runDoctor() error {
	e, err := engine.Open(engine.Options{Library: a.library})
	t := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	row(t, "declip", fmt.Sprintf("%s (%s, %s/%s)", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH))
	if err == nil {
		writeEngine(t, e.Info())
	} else {
		row(t, "engine", "not found")
		row(t, "cores", fmt.Sprint(runtime.NumCPU()))
	}
	writeModels(t)
	if flushErr := t.Flush(); err == nil {
		err = flushErr
	}
	return err
}

func writeEngine(w io.Writer, info engine.Info) {
	row(w, "engine", info.Name())
	row(w, "library", fmt.Sprintf("%s (%s)", info.Library, info.Source))
	for _, refused := range info.Refused {
		row(w, "not used", refused)
	}
	row(w, "devices", strings.Join(info.Devices, ", "))
	used := info.Device
	if info.Note != "" {
		used += " (" + info.Note + ")"
	}
	row(w, "runs on", used)
	row(w, "cores", fmt.Sprintf("%d, threads used: %d", info.Cores, info.Threads))
	simd := strings.Join(info.SIMD, ", ")
	if simd == "" {
		simd = "none known"
	}
	row(w, "SIMD", simd)
}

func writeModels(w io.Writer) {
	var built []string
	for _, name := range models.Names() {
		built = append(built, fmt.Sprintf("%s (%.1f MB)", name, float64(models.Size(name))/1e6))
	}
	row(w, "built-in models", orNone(built))
	dir, err := models.Dir()
	if err != nil {
		dir = err.Error()
	}
	row(w, "models directory", dir)
	row(w, "installed models", orNone(models.Installed()))
}

func row(w io.Writer, name, value string) { fmt.Fprintf(w, "%s\t%s\n", name, value) }

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
