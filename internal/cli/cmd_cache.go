package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/train/features"
)

func (a *app) newCache() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Look at or empty the cache of what backbones saw",
		Long: `When a decoder is trained on a frozen backbone, what the backbone sees in each
picture is kept on the disk, so that it runs once for each picture and not in
every epoch. Nothing depends on the cache but time: it may be emptied whenever
no training uses it.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(cmd, "unknown command %q", args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(a.newCacheInfo(), a.newCacheClear())
	return cmd
}

// cacheDir declares the flag for another cache than the user's.
func cacheDir(cmd *cobra.Command) *string {
	return cmd.Flags().String("cache", "", "the cache's folder (default: declip/features in the user's cache folder)")
}

func orDefaultCache(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	return features.DefaultDir()
}

func (a *app) newCacheInfo() *cobra.Command {
	cmd := &cobra.Command{Use: "info", Short: "Say how large the cache is", Args: noArguments}
	dir := cacheDir(cmd)
	asJSON := cmd.Flags().Bool("json", false, "as JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		folder, err := orDefaultCache(*dir)
		if err != nil {
			return err
		}
		info, err := features.Inspect(folder)
		if err != nil {
			return fmt.Errorf("feature cache: %w", err)
		}
		if *asJSON {
			return json.NewEncoder(a.stdout).Encode(info)
		}
		_, err = fmt.Fprintf(a.stdout, "%s: %d records in %d shards, %s\n", info.Dir, info.Records, info.Shards, sizeText(info.Bytes))
		return err
	}
	return cmd
}

func (a *app) newCacheClear() *cobra.Command {
	cmd := &cobra.Command{Use: "clear", Short: "Empty the cache, but for what a running training uses", Args: noArguments}
	dir := cacheDir(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		folder, err := orDefaultCache(*dir)
		if err != nil {
			return err
		}
		removed, inUse, err := features.Clear(folder)
		if err != nil {
			return fmt.Errorf("feature cache: %w", err)
		}
		if _, err := fmt.Fprintf(a.stdout, "%s: removed %d shards, %s\n", folder, removed.Shards, sizeText(removed.Bytes)); err != nil {
			return err
		}
		if inUse > 0 {
			return fmt.Errorf("feature cache %s: %d shards are in use and stay", folder, inUse)
		}
		return nil
	}
	return cmd
}

// byteCount is a flag with a number of bytes, as 500MB or 20GiB.
type byteCount struct{ n *int64 }

// Units by the first letter: of 1000 with B behind it, of 1024 alone or with iB.
const unitLetters = "KMGT"

// Set implements pflag.Value.
func (b byteCount) Set(text string) error {
	upper := strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	number := strings.TrimRight(upper, "BIKMGT")
	unit := upper[len(number):]
	factor := 1.0
	if unit != "" && unit != "B" {
		power := strings.IndexByte(unitLetters, unit[0]) + 1
		base := map[string]float64{"": 1024, "IB": 1024, "B": 1000}[unit[1:]]
		if power == 0 || base == 0 {
			return fmt.Errorf("unit %q: want B, KB, MB, GB, TB or KiB, MiB, GiB, TiB", unit)
		}
		for range power {
			factor *= base
		}
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !(value > 0 && value*factor < 1<<62) {
		return fmt.Errorf("%q is no size: want a number with a unit, as 20GB", text)
	}
	*b.n = int64(value * factor)
	return nil
}

// String implements pflag.Value.
func (b byteCount) String() string {
	if b.n == nil || *b.n == 0 {
		return ""
	}
	for i, letter := range slices.Backward([]byte(unitLetters)) {
		if unit := int64(1) << (10 * (i + 1)); *b.n%unit == 0 {
			return fmt.Sprintf("%d%ciB", *b.n/unit, letter)
		}
	}
	return fmt.Sprintf("%dB", *b.n)
}

// Type implements pflag.Value.
func (b byteCount) Type() string { return "size" }
