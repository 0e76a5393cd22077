package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) newModels() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List, download, check and convert models",
		Long: `A model is built into the program, a file given by its path, or a file in the
models directory: $DECLIP_MODELS, or else declip/models in your cache directory.`,
		Args: cobra.ArbitraryArgs,
		RunE: helpOnly,
	}
	cmd.AddCommand(a.newModelsList(), a.newModelsPull(), a.newModelsVerify(), a.newModelsInspect(), a.newModelsConvert(), a.newModelsExport())
	return cmd
}

// sizeText formats a number of bytes, with decimal units.
func sizeText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n < 1e3:
		return fmt.Sprintf("%d B", n)
	case n < 1e5:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
