package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// archive writes the picture of a job, its result and its probabilities to Config.Archive. The file
// names are made of the picture's digest and the model's name: nothing in them is the client's.
func (s *Server) archive(ctx context.Context, j *job, r *localize.Result, body resultBody) error {
	base := filepath.Join(s.config.Archive, j.sha256)
	text, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	prob, err := picture.EncodePNG(r.Gray(), picture.Fast)
	if err != nil {
		return err
	}
	for path, data := range map[string][]byte{
		base + "." + j.decoded.Format:                     j.file.data,
		base + "." + fileName(j.model.Name) + ".json":     append(text, '\n'),
		base + "." + fileName(j.model.Name) + ".prob.png": prob,
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := files.WriteBytesPrivate(path, data); err != nil {
			return fmt.Errorf("archiving a result: %w", err)
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
