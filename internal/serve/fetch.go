package serve

import (
	"context"
	"errors"
	"fmt"
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
	client *http.Client
	limit  int64 // bytes of a picture
}

// fetchRedirects is the number of redirects that are followed.
const fetchRedirects = 3

// errNotPublic is wrapped by errors about addresses that are not public.
var errNotPublic = errors.New("the address is not public")

func newFetcher(limit int64) *fetcher { return newFetcherWith(limit, publicOnly) }

// newFetcherWith makes a fetcher that connects to the addresses that allow accepts. The check is
// made on the resolved address, right before connecting: a name that resolves to something else the
// second time gains nothing. Proxies would resolve names themselves, so none is used.
func newFetcherWith(limit int64, allow func(netip.AddrPort) error) *fetcher {
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
	return &fetcher{limit: limit, client: &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true,
			DisableCompression:     true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > fetchRedirects {
				return fmt.Errorf("more than %d redirects", fetchRedirects)
			}
			return fetchable(r.URL)
		},
	}}
}

// fetchable refuses URLs that are not http or https, have no host, or hold credentials.
func fetchable(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("scheme %.20q: expected http or https", u.Scheme)
	case u.Host == "" || u.Hostname() == "":
		return errors.New("it has no host")
	case u.User != nil:
		return errors.New("it holds a user name")
	}
	return nil
}

// notPublic lists ranges that are not public, in addition to those that netip.Addr knows (RFC 6890
// and the IANA registries of special-purpose addresses). Some of the IPv6 ranges embed IPv4
// addresses, which would escape the check.
var notPublic = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
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
	data, err := s.fetcher.get(r.Context(), b, r.query.get(paramURL))
	switch {
	case err == nil:
		return upload{data: data}, nil
	case parallel.Stack(err) != nil:
		return upload{}, err
	case errors.Is(err, errNotPublic):
		return upload{}, problemf(http.StatusForbidden, codeForbidden, "the URL leads to an address that is not public")
	case r.Context().Err() != nil:
		return upload{}, r.Context().Err()
	case errors.As(err, new(*problem)):
		return upload{}, err
	}
	return upload{}, problemf(http.StatusUnprocessableEntity, codeFetch, "the picture cannot be fetched: %v", err)
}

// get downloads a picture into the memory of b.
func (f *fetcher) get(ctx context.Context, b *body, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err == nil {
		err = fetchable(u)
	}
	if err != nil {
		return nil, problemf(http.StatusBadRequest, codeRequest, "the URL cannot be used: %v", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "image/*")
	request.Header.Set("User-Agent", "declip")
	response, err := f.client.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the other server answered %d", response.StatusCode)
	}
	if response.ContentLength > f.limit {
		return nil, tooManyBytes(f.limit)
	}
	return b.gather(response.Body, f.limit)
}

// withoutURL strips the URL from an error of net/http: the client knows it.
func withoutURL(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}
