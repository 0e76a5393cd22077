package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/weights"
)

func (a *app) newModelsVerify() *cobra.Command {
	var clip []string
	cmd := &cobra.Command{
		Use:   "verify [NAME|FILE...]",
		Short: "Check the digests and tensors of model files",
		Long: `Check model files, by default all in the models directory. The SHA-256 must be
the published one or, if none is published, the one that "declip models pull"
recorded. The file must be readable and contain every tensor of its network in
the right shape. Files that declip train and calibrate write also hold a digest
of their contents, which must be right. The exit code is 1 if a file fails.`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runModelsVerify(cmd.Context(), args, clip) },
	}
	addClipFlag(cmd.Flags(), &clip)
	return cmd
}

func (a *app) runModelsVerify(ctx context.Context, names, clip []string) error {
	if len(names) == 0 {
		contents, err := models.Contents()
		if err != nil {
			return err
		}
		for _, s := range contents {
			if s.Weights {
				names = append(names, s.Path)
			}
		}
		if len(names) == 0 {
			dir, _ := models.Dir()
			_, err := fmt.Fprintf(a.stdout, "no models in %s\n", dir)
			return err
		}
	}
	failed := 0
	for _, name := range names {
		facts, err := a.verify(ctx, name, clip)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			failed++
			a.say("%v\n", named(name, err))
			continue
		}
		if _, err := fmt.Fprintf(a.stdout, "%s: ok: %s\n", name, strings.Join(facts, ", ")); err != nil {
			return err
		}
	}
	if failed > 0 {
		return errReported
	}
	return nil
}

// named adds the model's name to an error that lacks it.
func named(name string, err error) error {
	if strings.Contains(err.Error(), name) {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// verify checks one model and returns the facts that were confirmed.
func (a *app) verify(ctx context.Context, name string, clip []string) ([]string, error) {
	var facts []string
	if !models.BuiltIn(name) {
		path, err := models.Find(name)
		if err != nil {
			return nil, err
		}
		if facts, err = a.verifyDigests(ctx, path); err != nil {
			return nil, err
		}
	}
	x, err := examine(name, networkOptions{clip: clip})
	if err != nil {
		return nil, err
	}
	defer x.close()
	if x.problem != nil {
		return nil, x.problem
	}
	switch err := x.file.CheckSeal(ctx); {
	case err == nil:
		facts = append(facts, "contents as written")
	case !errors.Is(err, weights.ErrNoSeal):
		return nil, err
	}
	return append(facts, fmt.Sprintf("%d tensors", len(x.file.Names())), x.holds()), nil
}

// verifyDigests compares a file, or each shard of an index, with its known digest.
func (a *app) verifyDigests(ctx context.Context, path string) ([]string, error) {
	if !weights.IsIndex(path) {
		fact, err := a.verifyDigest(ctx, path)
		return []string{fact}, err
	}
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	paths := f.Files()
	if err := f.Close(); err != nil {
		return nil, err
	}
	var facts []string
	for _, p := range paths {
		fact, err := a.verifyDigest(ctx, p)
		if err != nil {
			return nil, err
		}
		facts = append(facts, filepath.Base(p)+": "+fact)
	}
	return facts, nil
}

// verifyDigest compares a file with its known digest.
func (a *app) verifyDigest(ctx context.Context, path string) (string, error) {
	want, source, err := models.Digest(path)
	if err != nil {
		return "", err
	}
	got, err := a.digest(ctx, path)
	if err != nil {
		return "", err
	}
	if want == "" {
		recorded, err := models.Record(path, got)
		if err != nil || !recorded {
			return "no digest is known", err
		}
		return "SHA-256 recorded for later", nil
	}
	if got != want {
		return "", fmt.Errorf("%s: SHA-256 is %s, expected %s %s: remove the file and download it again", path, got, want, source)
	}
	return "SHA-256 " + source, nil
}

// digest is a file's SHA-256 in hexadecimal. A progress bar is shown meanwhile.
func (a *app) digest(ctx context.Context, path string) (string, error) {
	bar := a.newTransfer(filepath.Base(path))
	defer bar.finish()
	return fileDigest(ctx, path, bar.set)
}

// fileDigest is a file's SHA-256 in hexadecimal. progress is called with the bytes read.
func fileDigest(ctx context.Context, path string, progress func(done, total int64)) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s: not a regular file", path)
	}
	sum, done := sha256.New(), int64(0)
	buffer := make([]byte, 1<<20)
	for {
		n, err := f.Read(buffer)
		sum.Write(buffer[:n])
		done += int64(n)
		progress(done, info.Size())
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case err == io.EOF:
			return hex.EncodeToString(sum.Sum(nil)), nil
		case err != nil:
			return "", err
		}
	}
}
