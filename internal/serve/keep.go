package serve

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/declip/declip/internal/files"
	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/picture"
)

// keep writes a picture and what was said about it into Config.Keep, in files
// named for the picture's digest and its model: nothing in their names is the client's.
func (s *Server) keep(j *job, o *outcome, r *localize.Result, a *answer) error {
	base := filepath.Join(s.config.Keep, j.sha256)
	text, err := json.MarshalIndent(a.head, "", "  ")
	if err != nil {
		return err
	}
	prob, err := picture.EncodePNG(r.Gray(), picture.Fast)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		base + "." + o.decoded.Format:                    j.file.data,
		base + "." + fileName(j.lane.Name) + ".json":     append(text, '\n'),
		base + "." + fileName(j.lane.Name) + ".prob.png": prob,
	}
	for path, data := range files {
		if err := write(path, data); err != nil {
			return fmt.Errorf("keeping a result: %w", err)
		}
	}
	return nil
}

// write writes a file that only the server's user may read.
func write(path string, data []byte) error {
	return files.WriteBytesPrivate(path, data)
}

// fileName makes a model's name a part of a file's.
func fileName(model string) string {
	safe := []byte(model)
	for i, c := range safe {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			safe[i] = '_'
		}
	}
	return string(safe)
}
