package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/declip/declip/internal/parallel"
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

var (
	// errNotPublic is wrapped by errors about addresses that are not public.
	errNotPublic = errors.New("the address is not public")
	// errSlow ends a download that takes too long.
	errSlow = errors.New("the picture does not arrive in time")
)

func newFetcher(limit int64, patience time.Duration) *fetcher {
	return newFetcherWith(limit, patience, publicOnly)
}

// newFetcherWith makes a fetcher that connects to the addresses that allow accepts. The check is
// made on the resolved address, right before connecting: a name that resolves to something else the
// second time gains nothing. Proxies would resolve names themselves, so none is used.
func newFetcherWith(limit int64, patience time.Duration, allow func(netip.AddrPort) error) *fetcher {
	dialer := &net.Dialer{
		Timeout: 5 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error {
			addr, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("%w: %s", errNotPublic, address)
			}
			// net/http dials in a goroutine of its own, where a panic would end the process.
			return parallel.Catch(func() error {
				parallel.Point(stageFetch)
				return allow(addr)
			})
		},
	}
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
				return fetchErrorf("more than %d redirects", fetchRedirects)
			}
			return fetchable(r.URL)
		},
	}}
}

// fetchable refuses URLs that are not http or https, have no host, or hold credentials.
func fetchable(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fetchErrorf("scheme %.20q: expected http or https", u.Scheme)
	case u.Host == "" || u.Hostname() == "":
		return fetchErrorf("it has no host")
	case u.User != nil:
		return fetchErrorf("it holds a user name")
	}
	return nil
}

// notPublic lists ranges that are not public, in addition to those that netip.Addr knows (RFC 6890
// and the IANA registries of special-purpose addresses). Some of the IPv6 ranges embed IPv4
// addresses, which would escape the check.
var notPublic = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
	"2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10")

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// publicOnly refuses addresses that are not public, and ports other than those of the web.
func publicOnly(a netip.AddrPort) error {
	ip := a.Addr().Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() ||
		slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return fmt.Errorf("%w: it is in a private or special range", errNotPublic)
	}
	if a.Port() != 80 && a.Port() != 443 {
		return fmt.Errorf("%w: port %d, expected 80 or 443", errNotPublic, a.Port())
	}
	return nil
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
	if errors.Is(err, errNotPublic) || errors.As(err, new(*net.DNSError)) {
		return problemf(http.StatusForbidden, codeForbidden, "the URL leads to no public address with port 80 or 443")
	}
	text := "the other server cannot be reached or does not answer as expected"
	var refusal fetchError
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

// fetchError is a reason that is sent to the client.
type fetchError string

func (e fetchError) Error() string { return string(e) }

func fetchErrorf(format string, args ...any) error { return fetchError(fmt.Sprintf(format, args...)) }

// get downloads a picture into the memory of b.
func (f *fetcher) get(ctx context.Context, b *body, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err == nil {
		err = fetchable(u)
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
		return nil, fetchErrorf("the other server answered %d", response.StatusCode)
	}
	if response.ContentLength > f.limit {
		return nil, tooManyBytes(f.limit)
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
