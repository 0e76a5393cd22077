package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) newModels() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List, fetch, check and convert models",
		Long: `Models are built into the program, files given by path, or files in the models
folder: $DECLIP_MODELS, else declip/models in your cache folder.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(cmd, "unknown command %q", args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(a.newModelsList(), a.newModelsPull(), a.newModelsVerify(), a.newModelsInspect(), a.newModelsConvert(), a.newModelsExport())
	return cmd
}

// sizeText is a number of bytes for people.
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
