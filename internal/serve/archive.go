package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// archive writes the picture of a job, its result and its probabilities to Config.Archive. Files
// that cannot be written, for instance because the disk is full, do not fail the request, whose
// result is there: they are logged and counted.
func (s *Server) archive(ctx context.Context, j *job, r *localize.Result, body resultBody) error {
	err := s.writeArchive(ctx, j, r, body)
	if err == nil || ctx.Err() != nil || parallel.Stack(err) != nil {
		return err
	}
	s.stats.unarchived.Inc()
	s.config.Log.Error("a result was not archived", "error", err.Error())
	return nil
}

// writeArchive makes the file names of the picture's digest and the model's name: nothing in them
// is the client's. The result comes last: where it is, the other files are.
func (s *Server) writeArchive(ctx context.Context, j *job, r *localize.Result, body resultBody) error {
	base := filepath.Join(s.config.Archive, j.sha256)
	text, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	prob, err := picture.EncodePNGContext(ctx, r.Gray(), picture.Fast)
	if err != nil {
		return err
	}
	model := base + "." + fileName(j.model.Name)
	for _, f := range []struct {
		path string
		data []byte
	}{{base + "." + j.decoded.Format, j.file.data}, {model + ".prob.png", prob}, {model + ".json", append(text, '\n')}} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := files.WriteBytesPrivate(f.path, f.data); err != nil {
			return err
		}
	}
	return nil
}

// fileName replaces the characters of a model's name that do not belong in a file name.
func fileName(model string) string {
	safe := []byte(model)
	for i, c := range safe {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			safe[i] = '_'
		}
	}
	return string(safe)
}
