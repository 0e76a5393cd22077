package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// validRequest is a request that must be answered with 200 and always the same content, or refused.
type validRequest struct {
	name   string
	method string
	path   string
	header http.Header
	body   []byte
	heavy  bool   // it runs a model
	want   string // the answer, in the form of normal
}

// send sends the request. After an error, status is that of the headers, 0 if there were none.
func (v *validRequest) send(ctx context.Context, client *http.Client, url string) (status int, header http.Header, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, v.method, url+v.path, bytes.NewReader(v.body))
	if err != nil {
		return 0, nil, nil, err
	}
	request.Header = v.header.Clone()
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, response.Header, body, err
}

// normal is what two answers to the request have in common: a JSON answer without the time it took.
func (v *validRequest) normal(body []byte) string {
	var tree any
	if json.Unmarshal(body, &tree) != nil {
		return string(body)
	}
	withoutTimes(tree)
	text, err := json.Marshal(tree)
	if err != nil {
		return string(body)
	}
	return string(text)
}

func withoutTimes(tree any) {
	switch v := tree.(type) {
	case map[string]any:
		delete(v, "elapsed_ms")
		for _, part := range v {
			withoutTimes(part)
		}
	case []any:
		for _, part := range v {
			withoutTimes(part)
		}
	}
}

// validRequests returns the requests with the answers that the server gives without load.
func validRequests(ctx context.Context, url string) ([]*validRequest, error) {
	var list []*validRequest
	post := func(name, path string, header http.Header, body []byte) {
		list = append(list, &validRequest{name: name, method: http.MethodPost, path: path, header: header, body: body, heavy: true})
	}
	small, large := encodings(scene(160, 120, 1)), encodings(scene(420, 300, 2))
	for _, name := range []string{"jpeg", "png", "gif", "bmp", "tiff"} {
		post(name+" without maps", "/v1/localize?maps=none", nil, small[name])
	}
	post("a larger jpeg", "/v1/localize?maps=none", nil, large["jpeg"])
	post("maps in the answer", "/v1/localize?maps=data", nil, small["jpeg"])
	post("a PNG as the answer", "/v1/localize?view=overlay", http.Header{"Accept": {"image/png"}}, large["png"])
	form, kind := multipartForm(small["png"], small["jpeg"])
	post("a batch", "/v1/batch?maps=none", http.Header{"Content-Type": {kind}}, form)
	form, kind = multipartForm(small["gif"])
	post("a form", "/v1/localize?maps=none&mask=rle", http.Header{"Content-Type": {kind}}, form)
	for _, path := range []string{"/healthz", "/v1/models", "/openapi.yaml", "/"} {
		list = append(list, &validRequest{name: path, method: http.MethodGet, path: path})
	}
	for _, v := range list {
		status, _, body, err := v.send(ctx, http.DefaultClient, url)
		if err != nil || status != http.StatusOK {
			return nil, fmt.Errorf("%s: status %d, %w: %.300s", v.name, status, err, body)
		}
		v.want = v.normal(body)
	}
	return list, nil
}

// scene draws a picture with noise, and a square that appears twice.
func scene(width, height int, seed uint64) image.Image {
	r := rand.New(rand.NewPCG(seed, 3))
	m := image.NewPaletted(image.Rect(0, 0, width, height), nil)
	for i := range 256 {
		m.Palette = append(m.Palette, color.RGBA{uint8(i), uint8(i * 3 / 4), uint8(255 - i), 255})
	}
	for y := range height {
		for x := range width {
			m.Pix[y*m.Stride+x] = uint8((x+y)/4 + r.IntN(40))
		}
	}
	side := height / 4
	for y := range side {
		copy(m.Pix[(y+2*side)*m.Stride+2*side:][:side], m.Pix[(y+side/2)*m.Stride+side/2:][:side])
	}
	return m
}

// encodings are a picture's files, by format.
func encodings(m image.Image) map[string][]byte {
	list := map[string][]byte{}
	for name, encode := range map[string]func(io.Writer) error{
		"png":  func(w io.Writer) error { return png.Encode(w, m) },
		"jpeg": func(w io.Writer) error { return jpeg.Encode(w, m, &jpeg.Options{Quality: 88}) },
		"gif":  func(w io.Writer) error { return gif.Encode(w, m, nil) },
		"bmp":  func(w io.Writer) error { return bmp.Encode(w, m) },
		"tiff": func(w io.Writer) error { return tiff.Encode(w, m, nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			panic(err) // a bytes.Buffer takes everything
		}
		list[name] = b.Bytes()
	}
	return list
}

// multipartForm is a form with pictures, and its content type.
func multipartForm(pictures ...[]byte) (body []byte, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i, data := range pictures {
		part, err := w.CreateFormFile("image", fmt.Sprintf("picture %d", i))
		if err == nil {
			_, err = part.Write(data)
		}
		if err != nil {
			panic(err) // a bytes.Buffer takes everything
		}
	}
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}
