package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tetratelabs/wazero"

	"github.com/declip/declip/internal/files"
)

// cacheDir returns the directory for compiled decoders: declip/decoders in the user's cache
// directory. It is an error if others could write to it, because what it holds is executed.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(base) {
		return "", fmt.Errorf("the cache directory %s is not an absolute path", base)
	}
	dir := filepath.Join(base, "declip", "decoders")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, checkTree(dir)
}

// checkTree checks a directory, and the directories and files in it.
func checkTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return files.CheckTrusted(path, files.CurrentUser())
	})
}

// open makes the runtime with the functions that decoders import. With a cache, the module is not
// compiled again if an earlier process did so.
func (m *Module) open(ctx context.Context, cache wazero.CompilationCache, code []byte) error {
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(MaxMemory / pageSize)
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	r := wazero.NewRuntimeWithConfig(ctx, config)
	if err := instantiateSystem(ctx, r); err != nil {
		return errors.Join(err, r.Close(ctx))
	}
	compiled, err := r.CompileModule(withWorkers(ctx), code)
	if err != nil {
		return errors.Join(err, r.Close(ctx))
	}
	m.runtime, m.compiled = r, compiled
	return nil
}
