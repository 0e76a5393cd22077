package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Status is how an item ended.
type Status string

// How items end.
const (
	StatusOK    Status = "ok"
	StatusError Status = "error" // the picture could not be read or localized
	StatusDead  Status = "dead"  // workers died of it
)

// Codes of failures in Record.Error.
const (
	CodePicture  = "bad_picture" // damaged, or not a picture
	CodeLarge    = "too_large"   // more pixels or bytes than the limit
	CodeNotFound = "not_found"   // nothing is at the key
	CodeDenied   = "denied"      // the source does not allow reading it
	CodeInternal = "internal"    // a fault of declip
	CodeDead     = "dead"        // workers died of it
)

// Failure is why an item has no result.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Record is the result of an item: one line of a part and of the results.
//
// The line begins with the fields of the picture's result, byte for byte as "declip localize
// --json" and the service write them (localize.Record), and continues with the fields below.
type Record struct {
	// Picture is the JSON object of the picture's result; of an item that failed, it holds only
	// "image".
	Picture json.RawMessage
	Fields
}

// Fields are what a job adds to the record of a picture.
type Fields struct {
	Item    int      `json:"item"` // its number in the manifest, from 0
	Key     string   `json:"key"`
	SHA256  string   `json:"sha256,omitempty"` // of the picture's file; "" if it was not read
	Status  Status   `json:"status"`
	Flagged bool     `json:"flagged"`
	Error   *Failure `json:"error,omitempty"`
	Maps    []string `json:"maps,omitempty"` // names of the stored maps
	// MS is how long the picture took, in milliseconds, without waiting.
	MS float64 `json:"ms"`
}

// failed is the object of a picture without a result.
type failed struct {
	Image string `json:"image"`
}

// FailedPicture is Record.Picture of an item without a result; image is how the user names it.
func FailedPicture(image string) json.RawMessage {
	text, err := json.Marshal(failed{image})
	if err != nil {
		panic(fmt.Errorf("encoding a name: %w", err)) // a string can always be encoded
	}
	return text
}

// Check implements the strict reading of records.
func (r *Record) Check() error {
	switch {
	case r.Item < 0 || r.Item >= MaxItems:
		return invalid("record", "item %d", r.Item)
	case !slices.Contains([]Status{StatusOK, StatusError, StatusDead}, r.Status):
		return invalid("record", "status %q", r.Status)
	case (r.Status == StatusOK) != (r.Error == nil):
		return invalid("record", "status %q and error %v", r.Status, r.Error)
	case len(r.Picture) < 2 || r.Picture[0] != '{' || r.Picture[len(r.Picture)-1] != '}':
		return invalid("record", "the picture is not a JSON object")
	}
	return nil
}

// MarshalJSON writes the picture's fields followed by the others.
func (r Record) MarshalJSON() ([]byte, error) {
	fields, err := json.Marshal(r.Fields)
	if err != nil {
		return nil, err
	}
	line := slices.Clone(r.Picture[:len(r.Picture)-1])
	if len(line) > 1 {
		line = append(line, ',')
	}
	return append(line, fields[1:]...), nil
}

// firstField begins the fields of a job in a line. The picture's fields hold no such name, and a
// quotation mark inside a text is escaped.
var firstField = []byte(`"item":`)

// UnmarshalJSON reads a line that MarshalJSON wrote. The picture's fields keep their bytes.
func (r *Record) UnmarshalJSON(line []byte) error {
	at := bytes.LastIndex(line, firstField)
	if at < 1 {
		return invalid("record", "no item in %.80q", line)
	}
	d := json.NewDecoder(bytes.NewReader(append([]byte{'{'}, line[at:]...)))
	d.DisallowUnknownFields()
	r.Fields = Fields{}
	if err := d.Decode(&r.Fields); err != nil {
		return err
	}
	head := bytes.TrimSuffix(line[:at], []byte{','})
	r.Picture = append(slices.Clone(head), '}')
	if !json.Valid(r.Picture) {
		return invalid("record", "the picture is not a JSON object: %.80q", line)
	}
	return nil
}
