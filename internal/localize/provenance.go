package localize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/parallel"
)

// Provenance says what made a result.
type Provenance struct {
	// Program is the version of declip, such as v1.2.3; empty if it is not known.
	Program string `json:"declip,omitempty"`
	// Engine is the engine and its version, such as "ONNX Runtime 1.30.0".
	Engine string `json:"engine"`
	// Weights are the files with the networks' weights, in the order in which they were opened.
	Weights []WeightsFile `json:"weights"`
	// Thorough: by Options.Thorough.
	Thorough bool `json:"thorough,omitempty"`
}

// WeightsFile identifies a file with weights.
type WeightsFile struct {
	Name    string `json:"name"`              // of the built-in model, or of the file
	Version string `json:"version,omitempty"` // of models that have one
	// SHA256 is the digest of the file in hexadecimal. It is missing if the file was changed or
	// removed since it was opened: the model works without its file.
	SHA256 string `json:"sha256,omitempty"`
}

// identify starts to compute the digests of files. wait gives them; after stop it returns early.
// Files are read in the background while their networks are loaded: half a gigabyte takes about
// half a second.
func identify(files []*weights.File) (wait func() ([]WeightsFile, error), stop func()) {
	ctx, stop := context.WithCancel(context.Background())
	wait = parallel.Start(func() (list []WeightsFile, err error) {
		for _, f := range files {
			if sum := models.SHA256(f.Path()); sum != "" {
				list = append(list, WeightsFile{f.Path(), models.Version(sum), sum})
				continue
			}
			start := len(list)
			for _, path := range f.Files() {
				sum, err := fileSHA256(ctx, path)
				if err != nil {
					sum = ""
				}
				list = append(list, WeightsFile{filepath.Base(path), models.Version(sum), sum})
			}
			if f.CheckUnchanged() != nil { // the digest is not that of what was loaded
				for i := range list[start:] {
					list[start+i].Version, list[start+i].SHA256 = "", ""
				}
			}
		}
		return list, nil
	})
	return wait, stop
}

// WeightsOf identifies the files with weights of models and backbones, named as for Open. It reads
// the files: half a gigabyte takes about half a second.
func WeightsOf(ctx context.Context, names ...string) (list []WeightsFile, err error) {
	var files []*weights.File
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	for _, name := range names {
		f, err := models.Open(name)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	wait, stop := identify(files)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	if list, err = wait(); err == nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return list, err
}

// fileSHA256 reads the file itself, not its mapping, which ends when the model is closed.
func fileSHA256(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	part := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := f.Read(part)
		sum.Write(part[:n])
		if err == io.EOF {
			return hex.EncodeToString(sum.Sum(nil)), nil
		}
		if err != nil {
			return "", fmt.Errorf("digest of %s: %w", path, err)
		}
	}
}

// Provenance says which program, engine and weights make the model's results. It waits for the
// digests of the weights.
func (m *Model) Provenance() (*Provenance, error) {
	list, err := m.weights()
	if err != nil {
		return nil, err
	}
	return &Provenance{Program: m.program, Engine: m.engine, Weights: list, Thorough: m.thorough}, nil
}
