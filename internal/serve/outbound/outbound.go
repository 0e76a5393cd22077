package outbound

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/declip/declip/internal/parallel"
)

// ErrNotPublic is wrapped by errors about addresses that are not public.
var ErrNotPublic = errors.New("the address is not public")

// Refusal is why a URL or a response is not accepted. It may be sent to the client.
type Refusal string

// Error implements error.
func (r Refusal) Error() string { return string(r) }

// Refusef makes a Refusal.
func Refusef(format string, args ...any) error { return Refusal(fmt.Sprintf(format, args...)) }

// CheckURL refuses URLs that are not http or https, have no host, or hold credentials.
func CheckURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return Refusef("scheme %.20q: expected http or https", u.Scheme)
	case u.Host == "" || u.Hostname() == "":
		return Refusef("it has no host")
	case u.User != nil:
		return Refusef("it holds a user name")
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

// PublicOnly refuses addresses that are not public, and ports other than those of the web. The
// error wraps ErrNotPublic.
func PublicOnly(a netip.AddrPort) error {
	ip := a.Addr().Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() ||
		slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return fmt.Errorf("%w: it is in a private or special range", ErrNotPublic)
	}
	if a.Port() != 80 && a.Port() != 443 {
		return fmt.Errorf("%w: port %d, expected 80 or 443", ErrNotPublic, a.Port())
	}
	return nil
}

// Dialer connects to the addresses that allow accepts. The check is made on the resolved address,
// right before connecting: a name that resolves to something else the second time gains nothing.
func Dialer(allow func(netip.AddrPort) error) *net.Dialer {
	return &net.Dialer{
		Timeout: 5 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error {
			addr, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("%w: %s", ErrNotPublic, address)
			}
			// net/http dials in a goroutine of its own, where a panic would end the process.
			return parallel.Catch(func() error { return allow(addr) })
		},
	}
}
