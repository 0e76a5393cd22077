package serve

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// fieldImage is the form field of a picture.
const fieldImage = "image"

// multipartRoom is the number of bytes allowed for the boundaries and headers of each picture. The
// forms of browsers need less.
const multipartRoom = 16 << 10

// upload is a file as a client sent it.
type upload struct {
	name string // as the client calls it; only repeated in the result, never opened
	data []byte
}

// isForm reports whether the body is multipart/form-data, and gives its boundary.
func isForm(r *http.Request) (boundary string, ok bool, err error) {
	header := r.Header.Get("Content-Type")
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(header)), "multipart/") {
		return "", false, nil
	}
	kind, parameters, err := mime.ParseMediaType(header)
	switch {
	case err != nil:
		return "", true, problemf(http.StatusBadRequest, codeRequest, "Content-Type cannot be read: %v", err)
	case kind != "multipart/form-data":
		return "", true, problemf(http.StatusUnsupportedMediaType, codeRequest, "Content-Type %s: expected multipart/form-data or a picture", kind)
	case parameters["boundary"] == "":
		return "", true, problemf(http.StatusBadRequest, codeRequest, "Content-Type multipart/form-data has no boundary")
	}
	return parameters["boundary"], true, nil
}

// readUploads reads the pictures of a body, which is a picture or a form. A picture has at most
// limit bytes; there are at most maxPictures.
func (b *body) readUploads(r *http.Request, limit int64, maxPictures int) ([]upload, error) {
	boundary, form, err := isForm(r)
	if err != nil {
		return nil, err
	}
	if !form {
		data, err := b.gather(b, limit)
		if err == nil {
			b.finish()
		}
		return []upload{{data: data}}, err
	}
	list, err := b.readForm(multipart.NewReader(&capped{r: b, left: (limit + multipartRoom) * int64(maxPictures)}, boundary), limit, maxPictures)
	if err == nil {
		b.finish()
	}
	return list, err
}

func (b *body) readForm(form *multipart.Reader, limit int64, maxPictures int) (list []upload, err error) {
	stored := int64(0)
	for {
		part, err := form.NextRawPart()
		if overhead := b.read - stored; err == nil && overhead > 64<<10+multipartRoom*int64(len(list)+1) {
			return nil, problemf(http.StatusBadRequest, codeRequest, "the form has %d bytes in addition to its pictures", overhead)
		}
		if err == io.EOF { //nolint:errorlint // multipart wraps io.EOF if the form is truncated
			break
		}
		if err != nil {
			return nil, formError(err)
		}
		if name := part.FormName(); name != fieldImage {
			return nil, problemf(http.StatusBadRequest, codeRequest, "the form has a field %.40q, expected %q only", name, fieldImage)
		}
		if len(list) == maxPictures {
			return nil, problemf(http.StatusRequestEntityTooLarge, codeLarge, "the form has more than %d picture(s), which is the limit", maxPictures)
		}
		if encoding := part.Header.Get("Content-Transfer-Encoding"); encoding != "" && !strings.EqualFold(encoding, "binary") {
			return nil, problemf(http.StatusUnsupportedMediaType, codeEncoding, "Content-Transfer-Encoding %.40q is not supported, expected none", encoding)
		}
		data, err := b.gather(part, limit)
		if err != nil {
			return nil, formError(err)
		}
		stored += int64(len(data))
		list = append(list, upload{name: printable(part.FileName()), data: data})
	}
	// Read what follows the end of the form, so that the connection is at the end of the request.
	if n, err := io.Copy(io.Discard, io.LimitReader(b, multipartRoom)); err != nil || n == multipartRoom {
		return nil, problemf(http.StatusBadRequest, codeRequest, "the form continues after its end")
	}
	if len(list) == 0 {
		return nil, problemf(http.StatusBadRequest, codeRequest, "the form has no field %q with a picture", fieldImage)
	}
	return list, nil
}

// formError is the problem of a form that cannot be read.
func formError(err error) error {
	if p := (*problem)(nil); errors.As(err, &p) {
		return err
	}
	return problemf(http.StatusBadRequest, codeRequest, "the form cannot be read: %v", err)
}

// capped returns an error at the limit, where io.LimitReader would end quietly.
type capped struct {
	r    io.Reader
	left int64
}

// Read is part of io.Reader.
func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, problemf(http.StatusRequestEntityTooLarge, codeLarge, "the form is larger than the limit for its pictures")
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// maxNameRunes bounds the names of files in results.
const maxNameRunes = 200

// printable makes a client's text fit for results and the log: without directories and control
// characters, and not too long.
func printable(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return -1
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > maxNameRunes {
		name = string(runes[:maxNameRunes])
	}
	return name
}
