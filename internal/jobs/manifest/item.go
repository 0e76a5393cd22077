package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// Item is a picture of a job.
type Item struct {
	// Key is the object in the job's source that holds the picture.
	Key string `json:"key"`
	// Image is how the user names the picture; "" if it is the key.
	Image string `json:"image,omitempty"`
	// Offset and Size are where the picture is in an object that holds several, in bytes. Size 0 is
	// the whole object.
	Offset int64 `json:"offset,omitempty"`
	Size   int64 `json:"size,omitempty"`
}

// Name is how the user names the picture.
func (i *Item) Name() string {
	if i.Image != "" {
		return i.Image
	}
	return i.Key
}

// Check refuses keys that could leave the source, and ranges that cannot be read.
func (i *Item) Check() error {
	if err := store.CheckKey(i.Key); err != nil {
		return fmt.Errorf("item: %w: %w", schema.ErrInvalid, err)
	}
	if i.Offset < 0 || i.Size < 0 || i.Size == 0 && i.Offset > 0 {
		return fmt.Errorf("item %.200q: %w: %d bytes at %d", i.Key, schema.ErrInvalid, i.Size, i.Offset)
	}
	return nil
}

// parseItem reads one line of a manifest.
func parseItem(line []byte) (Item, error) {
	var item Item
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&item); err != nil {
		return Item{}, fmt.Errorf("item %.200q: %w: %w", line, schema.ErrInvalid, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Item{}, fmt.Errorf("item %.200q: %w: there is more behind the JSON value", line, schema.ErrInvalid)
	}
	return item, item.Check()
}
