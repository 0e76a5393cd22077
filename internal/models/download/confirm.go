package download

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// largestPage is how many bytes of a page are read. Google Drive's has about 3 kB.
const largestPage = 1 << 20

var (
	formTag  = regexp.MustCompile(`(?is)<form\b[^>]*>`)
	inputTag = regexp.MustCompile(`(?is)<input\b[^>]*>`)
	titleTag = regexp.MustCompile(`(?is)<title>(.*?)</title>`)
	entry    = regexp.MustCompile(`(?is)\b(action|name|value|type)\s*=\s*"([^"]*)"`)
)

// confirm answers a page that asks before it sends the file: its form is sent with the values that
// are filled in. A page without a form says why there is no file; its title becomes the error. The
// page's body is closed.
func (d *download) confirm(asked *http.Request, page *http.Response) (*http.Response, error) {
	defer page.Body.Close()
	text, err := io.ReadAll(io.LimitReader(page.Body, largestPage))
	if err != nil {
		return page, d.failed(asked.Context(), err)
	}
	address, err := formAddress(page.Request.URL, string(text))
	if err != nil {
		return page, d.remote(err, false)
	}
	again := asked.Clone(asked.Context())
	again.URL, again.Host = address, ""
	answer, err := d.http.Do(again)
	if err != nil {
		return page, d.failed(asked.Context(), err)
	}
	return answer, nil
}

// formAddress is the address that the first form of a page asks for. Forms that lead to other
// hosts, or away from https, are refused.
func formAddress(page *url.URL, text string) (*url.URL, error) {
	form := formTag.FindStringIndex(text)
	if form == nil {
		title := "got a web page instead of a file"
		if m := titleTag.FindStringSubmatch(text); m != nil {
			title = fmt.Sprintf("got a page instead of a file: %s", strings.TrimSpace(html.UnescapeString(m[1])))
		}
		return nil, errors.New(title)
	}
	action, err := url.Parse(entries(text[form[0]:form[1]])["action"])
	if err != nil {
		return nil, fmt.Errorf("the page's form: %w", err)
	}
	target := page.ResolveReference(action)
	if target.Host != page.Host || target.Scheme != page.Scheme {
		return nil, fmt.Errorf("the page's form leads from %s://%s to %s://%s", page.Scheme, page.Host, target.Scheme, target.Host)
	}
	body, _, _ := strings.Cut(text[form[1]:], "</form")
	query := target.Query()
	for _, tag := range inputTag.FindAllString(body, -1) {
		if e := entries(tag); e["type"] == "hidden" && e["name"] != "" {
			query.Set(e["name"], e["value"])
		}
	}
	target.RawQuery = query.Encode()
	return target, nil
}

// entries are the attributes of a tag.
func entries(tag string) map[string]string {
	all := map[string]string{}
	for _, m := range entry.FindAllStringSubmatch(tag, -1) {
		all[strings.ToLower(m[1])] = html.UnescapeString(m[2])
	}
	return all
}
