package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/serve/outbound"
)

// fetcher downloads pictures from public addresses.
type fetcher struct {
	client   *http.Client
	limit    int64         // bytes of a picture
	patience time.Duration // for the next part of a picture, as for a client's body
	places   chan struct{} // one for each download in progress
}

// fetchesAtOnce is the number of downloads in progress; others are refused. Slow servers must not
// take up all connections of this one.
const fetchesAtOnce = 32

// fetchRedirects is the number of redirects that are followed.
const fetchRedirects = 3

// errSlow ends a download that takes too long.
var errSlow = errors.New("the picture does not arrive in time")

func newFetcher(limit int64, patience time.Duration) *fetcher {
	return newFetcherWith(limit, patience, outbound.PublicOnly)
}

// newFetcherWith makes a fetcher that connects to the addresses that allow accepts. Proxies would
// resolve names themselves, so none is used.
func newFetcherWith(limit int64, patience time.Duration, allow func(netip.AddrPort) error) *fetcher {
	dialer := outbound.Dialer(func(a netip.AddrPort) error {
		parallel.Point(stageFetch)
		return allow(a)
	})
	return &fetcher{limit: limit, patience: patience, places: make(chan struct{}, fetchesAtOnce), client: &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  patience,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true,
			DisableCompression:     true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > fetchRedirects {
				return outbound.Refusef("more than %d redirects", fetchRedirects)
			}
			return outbound.CheckURL(r.URL)
		},
	}}
}

// fetch downloads the picture that a request names.
func (s *Server) fetch(b *body, r *request) (upload, error) {
	if !s.config.Fetch {
		return upload{}, problemf(http.StatusForbidden, codeForbidden, "this server does not fetch pictures by URL: send the picture itself")
	}
	if r.ContentLength != 0 {
		return upload{}, problemf(http.StatusBadRequest, codeRequest, "the request has both a URL and a body, expected one of them")
	}
	select {
	case s.fetcher.places <- struct{}{}:
		defer func() { <-s.fetcher.places }()
	default:
		return upload{}, busy(s.config.patience, "%d pictures are already being fetched: try again later", fetchesAtOnce)
	}
	data, err := s.fetcher.get(r.Context(), b, r.query.get(paramURL))
	switch {
	case err == nil:
		return upload{data: data}, nil
	case parallel.Stack(err) != nil:
		return upload{}, err
	case r.Context().Err() != nil:
		return upload{}, r.Context().Err()
	case errors.As(err, new(*problem)):
		return upload{}, err
	}
	return upload{}, fetchProblem(err)
}

// fetchProblem says no more than the client may know. A name that does not exist and one with a
// private address get the same response, so that clients do not learn the names of the network
// that the server is in; addresses, such as that of the name server, are never repeated.
func fetchProblem(err error) *problem {
	if errors.Is(err, outbound.ErrNotPublic) || errors.As(err, new(*net.DNSError)) {
		return problemf(http.StatusForbidden, codeForbidden, "the URL leads to no public address with port 80 or 443")
	}
	text := "the other server cannot be reached or does not answer as expected"
	var refusal outbound.Refusal
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &refusal):
		text = string(refusal)
	case errors.Is(err, errSlow):
		text = errSlow.Error()
	case errors.As(err, &certificate):
		text = "the other server's certificate cannot be verified"
	case errors.As(err, &timeout) && timeout.Timeout():
		text = "the other server does not answer in time"
	}
	return problemf(http.StatusUnprocessableEntity, codeFetch, "the picture cannot be fetched: %s", text)
}

// get downloads a picture into the memory of b.
func (f *fetcher) get(ctx context.Context, b *body, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err == nil {
		err = outbound.CheckURL(u)
	}
	if err != nil {
		return nil, problemf(http.StatusBadRequest, codeRequest, "the URL cannot be used: %v", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "image/*")
	request.Header.Set("User-Agent", "declip")
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, outbound.Refusef("the other server answered %d", response.StatusCode)
	}
	if response.ContentLength > f.limit {
		return nil, tooManyBytes(b.what, f.limit)
	}
	watch := time.AfterFunc(f.patience, func() { cancel(errSlow) })
	defer watch.Stop()
	data, err := b.gather(&watched{r: response.Body, start: time.Now(), patience: f.patience, watch: watch}, f.limit)
	if err != nil && errors.Is(context.Cause(ctx), errSlow) {
		err = errSlow
	}
	return data, err
}

// watched resets a timer at each read, so that it fires when a sender stalls or falls below
// bodyRate on average.
type watched struct {
	r        io.Reader
	start    time.Time
	patience time.Duration
	read     int64
	watch    *time.Timer
}

// Read is part of io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	behind := time.Until(w.start.Add(w.patience + time.Duration(w.read)*time.Second/bodyRate))
	w.watch.Reset(max(0, min(w.patience, behind)))
	n, err := w.r.Read(p)
	w.read += int64(n)
	return n, err
}
