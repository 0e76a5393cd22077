package cli

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/train/features"
)

func (a *app) newCache() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Inspect or clear the feature cache",
		Long: `While a decoder is trained on a frozen backbone, the backbone's features of each
picture are cached on disk, so the backbone runs once per picture instead of in
every epoch. Results do not depend on the cache: it can be cleared whenever no
training uses it.`,
		Args: cobra.ArbitraryArgs,
		RunE: helpOnly,
	}
	cmd.AddCommand(a.newCacheInfo(), a.newCacheClear())
	return cmd
}

// cacheDir declares the flag for a cache other than the default one.
func cacheDir(cmd *cobra.Command) *string {
	return cmd.Flags().String("cache", "", "`directory` of the cache (default: declip/features in the user's cache directory)")
}

// errNoDefaultCache is wrapped by the error of orDefaultCache if there is no default.
var errNoDefaultCache = errors.New("--cache can name one")

func orDefaultCache(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	dir, err := features.DefaultDir()
	if err != nil {
		return "", fmt.Errorf("%w (%w)", err, errNoDefaultCache)
	}
	return dir, nil
}

func (a *app) newCacheInfo() *cobra.Command {
	cmd := &cobra.Command{Use: "info", Short: "Print the size of the cache", Args: noArguments}
	dir := cacheDir(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print one JSON object instead of text")
	cmd.RunE = func(*cobra.Command, []string) error {
		path, err := orDefaultCache(*dir)
		if err != nil {
			return err
		}
		info, err := features.Inspect(path)
		if err != nil {
			return fmt.Errorf("feature cache: %w", err)
		}
		if *asJSON {
			return json.NewEncoder(a.stdout).Encode(info)
		}
		_, err = fmt.Fprintf(a.stdout, "%s: %s in %s, %s\n", info.Dir, plural(info.Records, "record"), plural(info.Shards, "shard"), sizeText(info.Bytes))
		return err
	}
	return cmd
}

func (a *app) newCacheClear() *cobra.Command {
	cmd := &cobra.Command{Use: "clear", Short: "Remove all features that no running training uses", Args: noArguments}
	dir := cacheDir(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		path, err := orDefaultCache(*dir)
		if err != nil {
			return err
		}
		removed, inUse, err := features.Clear(path)
		if err != nil {
			return fmt.Errorf("feature cache: %w", err)
		}
		if _, err := fmt.Fprintf(a.stdout, "%s: removed %s, %s\n", path, plural(removed.Shards, "shard"), sizeText(removed.Bytes)); err != nil {
			return err
		}
		if inUse > 0 {
			return fmt.Errorf("feature cache %s: %d shards are in use and were not removed", path, inUse)
		}
		return nil
	}
	return cmd
}
