package coco

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/declip/declip/internal/picture"
)

// Image is a picture of the file, with what its annotations mark.
type Image struct {
	ID            string // as in the file
	File          string // "file_name": usually relative to a directory that the file does not name
	Width, Height int    // pixels
	Annotations   []Annotation
}

// Annotation is an area of a picture.
type Annotation struct {
	ID       string // as in the file; "#3" for the third one if it has none
	Category string // the category's name; "" if the file has no categories
	Crowd    bool   // the area has several objects ("iscrowd")
	area     shape
}

// shape is an area of a picture of w x h pixels.
type shape interface {
	// spans passes the marked pixels to mark as ranges [from, to) in column-major order: pixel
	// (x,y) is number x h + y.
	spans(w, h int, mark func(from, to int))
}

// Is reports whether text is COCO's JSON: an object with the key "images" or "annotations" and an
// array as its value. It reads no further than to that key.
func Is(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return false
		}
		switch key {
		case "images", "annotations":
			value, err := d.Token()
			return err != nil || value == json.Delim('[')
		}
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return false
		}
	}
	return false
}

// file is the part of the format that is used.
type file struct {
	Images []struct {
		ID     json.RawMessage `json:"id"`
		File   string          `json:"file_name"`
		Width  int             `json:"width"`
		Height int             `json:"height"`
	} `json:"images"`
	Annotations []annotation `json:"annotations"`
	Categories  []struct {
		ID   json.RawMessage `json:"id"`
		Name string          `json:"name"`
	} `json:"categories"`
}

type annotation struct {
	ID           json.RawMessage `json:"id"`
	Image        json.RawMessage `json:"image_id"`
	Category     json.RawMessage `json:"category_id"`
	Segmentation json.RawMessage `json:"segmentation"`
	Crowd        json.RawMessage `json:"iscrowd"` // 0 or 1; some programs write false or true
}

// maxSide and maxPixels bound the masks that a file may ask for.
const (
	maxSide   = 1 << 16
	maxPixels = 1 << 30
)

// Read reads a file. The images are in its order. Errors name the image or the annotation.
func Read(text []byte) ([]Image, error) {
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, err
	}
	images := make([]Image, 0, len(f.Images))
	byID := map[string]int{}
	for i, m := range f.Images {
		id := string(m.ID)
		switch _, twice := byID[id]; {
		case id == "":
			return nil, fmt.Errorf("image %d of the list has no id", i+1)
		case twice:
			return nil, fmt.Errorf("two images have the id %s", id)
		case m.File == "":
			return nil, fmt.Errorf("image %s has no file_name", id)
		case m.Width < 1 || m.Height < 1 || m.Width > maxSide || m.Height > maxSide || m.Width*m.Height > maxPixels:
			return nil, fmt.Errorf("image %s is %d x %d pixels: expected at least 1 and at most %d on each side, and %d in all", id, m.Width, m.Height, maxSide, maxPixels)
		}
		byID[id] = len(images)
		images = append(images, Image{ID: id, File: m.File, Width: m.Width, Height: m.Height})
	}
	categories := map[string]string{}
	for _, c := range f.Categories {
		categories[string(c.ID)] = c.Name
	}
	for i, a := range f.Annotations {
		id := string(a.ID)
		if id == "" {
			id = fmt.Sprintf("#%d", i+1)
		}
		at, ok := byID[string(a.Image)]
		if !ok {
			return nil, fmt.Errorf("annotation %s is for image %s, which is not in the list of images", id, orMissing(a.Image))
		}
		read, err := a.read(&images[at], categories)
		if err != nil {
			return nil, fmt.Errorf("annotation %s of image %s: %w", id, images[at].ID, err)
		}
		read.ID = id
		images[at].Annotations = append(images[at].Annotations, read)
	}
	return images, nil
}

func orMissing(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "(no image_id)"
	}
	return string(raw)
}

// read checks an annotation.
func (a *annotation) read(m *Image, categories map[string]string) (read Annotation, err error) {
	if len(categories) > 0 {
		name, ok := categories[string(a.Category)]
		if !ok {
			return read, fmt.Errorf("its category %s is not in the list of categories", orNone(a.Category))
		}
		read.Category = name
	}
	switch string(a.Crowd) {
	case "", "0", "false", "null":
	case "1", "true":
		read.Crowd = true
	default:
		return read, fmt.Errorf("iscrowd is %s: expected 0 or 1", a.Crowd)
	}
	read.area, err = readShape(a.Segmentation, m.Width, m.Height)
	return read, err
}

func orNone(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "(none)"
	}
	return string(raw)
}

// readShape reads a segmentation of a picture of w x h pixels.
func readShape(raw json.RawMessage, w, h int) (shape, error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || string(raw) == "null" || string(raw) == "[]":
		return nil, errors.New("it has no segmentation: a box alone does not mark pixels")
	case raw[0] == '[':
		var list [][]float64
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, errors.New("its segmentation is not a list of polygons [[x1, y1, x2, y2, ...], ...]")
		}
		p := polygons(list)
		return p, p.check(w, h)
	}
	var runs struct {
		Size   []int           `json:"size"` // height, width
		Counts json.RawMessage `json:"counts"`
	}
	if err := json.Unmarshal(raw, &runs); err != nil || runs.Counts == nil {
		return nil, errors.New(`its segmentation is neither a list of polygons nor run lengths {"size": [height, width], "counts": ...}`)
	}
	if !slices.Equal(runs.Size, []int{h, w}) {
		return nil, fmt.Errorf("its run lengths are for size %v, its picture is [%d %d] (height, width)", runs.Size, h, w)
	}
	counts, err := readCounts(runs.Counts)
	if err != nil {
		return nil, err
	}
	return counts, counts.check(w * h)
}

// Area describes the area as text. Equal texts mark the same pixels.
func (a Annotation) Area() string { return fmt.Sprintf("%T %v", a.area, a.area) }

// Mask draws the given annotations of the picture: 255 where any of them marks, 0 elsewhere.
func (m *Image) Mask(list []Annotation) *picture.Gray {
	mask := picture.NewGray(m.Width, m.Height)
	for _, a := range list {
		a.area.spans(m.Width, m.Height, func(from, to int) {
			for p := from; p < to; p++ {
				mask.Pix[p%m.Height*m.Width+p/m.Height] = 255
			}
		})
	}
	return mask
}
