package cli

import "github.com/spf13/cobra"

func (a *app) newData() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "data",
		Short: "Check data sets",
		Long: `Check data sets before they are used.

` + dataHelp + `

If a data set has splits and none is named, "declip train" takes train of --data
and valid of --valid, "declip calibrate" valid, "declip eval" test, and "declip
data check" all of them. A mask of another size than its picture is an error;
--resize-masks scales it by the nearest pixel.`,
		Args: cobra.ArbitraryArgs,
		RunE: helpOnly,
	}
	cmd.AddCommand(a.newDataCheck())
	return cmd
}
