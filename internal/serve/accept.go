package serve

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// offered are the media types of results. The first one is sent to clients that ask for none of
// them.
var offered = []string{typeJSON, typePNG, typeRLE, typeStream}

// acceptRange is one media range of an Accept header.
type acceptRange struct {
	kind    string // such as image/png, image/* or */*
	quality float64
}

// accepted chooses the media type of a result by the Accept headers (RFC 9110, section 12.5.1): the
// one with the highest quality, of several the one that is named first. A type with quality 0 is
// never sent. Headers that name no type of results get JSON.
func accepted(headers []string) (string, error) {
	ranges := acceptRanges(headers)
	best, bestQuality, bestAt, refusesJSON := "", 0.0, 0, false
	for _, kind := range offered {
		at := bestRange(ranges, kind)
		if at < 0 {
			continue
		}
		q := ranges[at].quality
		if kind == typeJSON && q == 0 {
			refusesJSON = true
		}
		if q > bestQuality || q > 0 && q == bestQuality && at < bestAt {
			best, bestQuality, bestAt = kind, q, at
		}
	}
	switch {
	case best == "" && refusesJSON:
		return "", problemf(http.StatusNotAcceptable, codeRequest, "Accept excludes all types of results: %s", listOr(offered))
	case best == "":
		return typeJSON, nil
	}
	return best, nil
}

// acceptRanges reads media ranges; those that cannot be read are left out.
func acceptRanges(headers []string) (list []acceptRange) {
	for _, header := range headers {
		for text := range strings.SplitSeq(header, ",") {
			kind, parameters, err := mime.ParseMediaType(text)
			if err != nil || !strings.Contains(kind, "/") {
				continue
			}
			quality := 1.0
			if q, ok := parameters["q"]; ok {
				if quality, err = strconv.ParseFloat(q, 64); err != nil || !(quality >= 0 && quality <= 1) {
					continue
				}
			}
			list = append(list, acceptRange{kind, quality})
		}
	}
	return list
}

// bestRange is the index of the range that says most about a type, -1 if none matches. Wildcards do
// not match the types of run lengths and of lines, which are forms of JSON for those who name them.
func bestRange(ranges []acceptRange, kind string) int {
	main, _, _ := strings.Cut(kind, "/")
	forms := []string{kind, main + "/*", "*/*"}
	if kind == typeRLE || kind == typeStream {
		forms = forms[:1]
	}
	for _, form := range forms {
		for i, r := range ranges {
			if r.kind == form {
				return i
			}
		}
	}
	return -1
}
