package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
)

// WritePNG writes a picture so that either the whole file is there or nothing
// is: to a temporary name in the same folder, then renamed. *RGB and *Gray are
// encoded fast; see EncodePNG.
func WritePNG(path string, m image.Image) error {
	data, err := EncodePNG(m, Fast)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return WriteFile(path, data)
}

// WriteJPEG is WritePNG for JPEG; see EncodeJPEG.
func WriteJPEG(path string, p *RGB, quality int) error {
	data, err := EncodeJPEG(p, quality)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return WriteFile(path, data)
}

// EncodeJPEG gives the bytes of a baseline 4:2:0 JPEG; quality is 1 to 100 as
// in libjpeg. A picture with a side above 65535 pixels is an error.
func EncodeJPEG(p *RGB, quality int) ([]byte, error) {
	if quality < 1 || quality > 100 {
		return nil, fmt.Errorf("jpeg quality is %d, want 1 to 100", quality)
	}
	// image/jpeg is fast for its own types only.
	m := image.NewRGBA(p.Bounds())
	for i, j := 0, 0; j+2 < len(p.Pix); i, j = i+4, j+3 {
		m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = p.Pix[j], p.Pix[j+1], p.Pix[j+2], 255
	}
	var b bytes.Buffer
	b.Grow(len(p.Pix) / 8)
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// WriteFile writes data to a temporary file in path's folder and renames it, so
// that nothing half-written is ever found under path. Errors name the file.
func WriteFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("%s: cannot be written: %w", path, bare(err))
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("%s: writing: %w", path, bare(err))
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	// CreateTemp gives the owner alone access; a result is an ordinary file.
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// bare takes the temporary file's name out of an error: nobody asked for it.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}
