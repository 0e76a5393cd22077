package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Version is the version of all messages and objects.
const Version = 1

// ErrInvalid is wrapped by errors about messages and objects that are not as this package writes
// them.
var ErrInvalid = errors.New("not valid")

// checker is a message or an object that can check itself.
type checker interface {
	// Check returns an error that wraps ErrInvalid if a field has no valid value.
	Check() error
}

// Decode reads one JSON value and checks it. Unknown fields, a repeated value and bytes behind it
// are errors that wrap ErrInvalid.
func Decode(data []byte, into checker) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) { // which would leave into as it is
		return fmt.Errorf("%T: %w: it is null", into, ErrInvalid)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%T: %w: %w", into, ErrInvalid, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%T: %w: there is more behind the JSON value", into, ErrInvalid)
	}
	return into.Check()
}

// Encode writes a value that is valid as one line of JSON without its end.
func Encode(value checker) ([]byte, error) {
	if err := value.Check(); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

func invalid(what, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", what, ErrInvalid, fmt.Sprintf(format, args...))
}

// checkVersion refuses what another version of the program wrote.
func checkVersion(what string, v int) error {
	if v != Version {
		return invalid(what, "version %d, this program knows version %d", v, Version)
	}
	return nil
}
