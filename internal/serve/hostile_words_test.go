package serve

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// hostileParameters are good pictures with invalid parameters.
func hostileParameters(t *testing.T) []hostile {
	data := picturePNG(t, 16, 16)
	var list []hostile
	ask := func(query string, headers ...string) {
		list = append(list, hostile{name: "?" + shortened(query) + strings.Join(headers, ""), raw: rawRequest("POST", target+"?"+query, data, headers...)})
	}
	for _, v := range []string{"", "0", "1", "-1", "2", "NaN", "Inf", "-Inf", "1e400", "1e-400", "abc", "0,5", "0.5.5", " 0.5", "0.5;", "\x00", "٠.٥", strings.Repeat("9", 2000)} {
		ask("threshold=" + url.QueryEscape(v))
	}
	for _, v := range []string{"", "nope", "../../etc/passwd", "/etc/passwd", "fake\x00", "FAKE", "fake ", "fake/../fake", "..\\..\\boot.ini", "'; DROP TABLE models", "${jndi:ldap://x}", "http://127.0.0.1/x.onnx", strings.Repeat("m", 3000)} {
		ask("model=" + url.QueryEscape(v))
	}
	for _, query := range []string{
		"maps=", "maps=all", "maps=DATA", "maps=data,links", "mask=", "mask=rl", "mask=png", "view=prob", "view=", "nope=1", "image=/etc/passwd", "file=/etc/passwd",
		"threshold=0.5&threshold=0.6", "model=fake&model=fake", "%zz=1", "threshold=%", "a;b", "Threshold=0.5", "threshold[]=0.5", "__proto__=1",
		"x=" + strings.Repeat("y", 5000), strings.Repeat("&", 5000), strings.Repeat("a=1&", 1000),
	} {
		ask(query)
	}
	ask("view=nope", "Accept: image/png")
	ask("view=../prob", "Accept: image/png")
	ask("view=prob", "Accept: text/html")
	for _, v := range []string{"http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "http://[::1]/", "gopher://x/", "", "//x/y"} {
		list = append(list, hostile{name: "fetch " + v, raw: rawRequest("POST", target+"?url="+url.QueryEscape(v), nil)})
	}
	return list
}

func shortened(text string) string {
	if len(text) > 60 {
		return fmt.Sprintf("%s... (%d bytes)", text[:40], len(text))
	}
	return text
}

// hostileForms are forms that are invalid, or have unexpected content.
func hostileForms(t *testing.T) []hostile {
	picture := string(picturePNG(t, 16, 16))
	part := func(head string) string { return "--B\r\n" + head + "\r\n\r\n" + picture + "\r\n" }
	image := part(`Content-Disposition: form-data; name="image"; filename="a.png"`)
	const end = "--B--\r\n"
	const kind = "multipart/form-data; boundary=B"
	var list []hostile
	add := func(name, kind, body string) {
		list = append(list, hostile{name: "form: " + name, raw: rawRequest("POST", target, []byte(body), "Content-Type: "+kind)})
	}
	batch := func(name, kind, body string) {
		list = append(list, hostile{name: "batch: " + name, raw: rawRequest("POST", "/v1/batch", []byte(body), "Content-Type: "+kind)})
	}
	add("no boundary", "multipart/form-data", image+end)
	add("an empty boundary", "multipart/form-data; boundary=", image+end)
	add("another boundary", "multipart/form-data; boundary=C", image+end)
	add("a boundary of 300 characters", "multipart/form-data; boundary="+strings.Repeat("b", 300), image+end)
	add("a type that cannot be read", "multipart/form-data; boundary=\"", image+end)
	add("mixed", "multipart/mixed; boundary=B", image+end)
	add("byteranges", "multipart/byteranges; boundary=B", image+end)
	add("without parts", kind, end)
	add("empty", kind, "")
	add("text", kind, "hello")
	add("two pictures", kind, image+image+end)
	add("another field", kind, part(`Content-Disposition: form-data; name="picture"; filename="a.png"`)+end)
	add("another field before the picture", kind, part(`Content-Disposition: form-data; name="x"`)+image+end)
	add("another field after the picture", kind, image+part(`Content-Disposition: form-data; name="model"`)+end)
	add("no disposition", kind, part("Content-Type: image/png")+end)
	add("a disposition that cannot be read", kind, part(`Content-Disposition: form-data; name="image`)+end)
	add("an attachment", kind, part(`Content-Disposition: attachment; name="image"`)+end)
	add("a header without a colon", kind, part("hello")+end)
	add("a header of 200 kB", kind, part("X: "+strings.Repeat("x", 200_000)+"\r\nContent-Disposition: form-data; name=\"image\"")+end)
	add("10000 headers", kind, part(strings.Repeat("X: y\r\n", 10_000)+`Content-Disposition: form-data; name="image"`)+end)
	add("no end", kind, image)
	add("no end of the picture", kind, strings.TrimSuffix(image, "\r\n"))
	add("a long way to the first part", kind, strings.Repeat("x\r\n", 40_000)+image+end)
	add("more after its end", kind, image+end+strings.Repeat("x", 40_000))
	add("base64", kind, part("Content-Disposition: form-data; name=\"image\"\r\nContent-Transfer-Encoding: base64")+end)
	add("quoted-printable", kind, part("Content-Disposition: form-data; name=\"image\"\r\nContent-Transfer-Encoding: quoted-printable")+end)
	add("a path for a name, and no picture", kind, "--B\r\nContent-Disposition: form-data; name=\"image\"; filename=\"../../etc/passwd\"\r\n\r\n\r\n"+end)
	add("a form in the form", kind, "--B\r\nContent-Disposition: form-data; name=\"image\"\r\nContent-Type: multipart/mixed; boundary=C\r\n\r\n--C\r\n\r\nx\r\n--C--\r\n"+end)
	add("a picture that is too large", kind, "--B\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\n"+strings.Repeat("x", 1<<20+1)+"\r\n"+end)
	batch("no form", "image/png", "hello")
	batch("no form, nothing", "text/plain", "")
	batch("without parts", kind, end)
	batch("17 pictures", kind, strings.Repeat(image, 17)+end)
	batch("1000 empty pictures", kind, strings.Repeat("--B\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\n\r\n", 1000)+end)
	batch("no end", kind, image+image)
	return list
}
