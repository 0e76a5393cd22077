package cli

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// serveCheckTimeout is the time that a running server has to respond to "declip serve --check".
const serveCheckTimeout = 5 * time.Second

// runServeCheck asks the server that runs at an address whether it is alive. A container's health
// check needs no other program for that.
func (a *app) runServeCheck(cmd *cobra.Command, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" || port == "0" {
		return usagef(cmd, "--addr %q: expected HOST:PORT of a running server", addr)
	}
	target := net.JoinHostPort(reachable(host), port)
	request, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, "http://"+target+"/healthz", nil)
	if err != nil {
		return usagef(cmd, "--addr %q: %w", addr, err)
	}
	request.Host = "localhost" // accepted with any --allow-host
	client := http.Client{
		Timeout:       serveCheckTimeout,
		Transport:     &http.Transport{DisableKeepAlives: true}, // without a proxy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("server at %s: %w", target, errors.Unwrap(err)) // without the URL
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("server at %s: /healthz responds with status %d, expected 200", target, response.StatusCode)
	}
	fmt.Fprintf(a.stdout, "server at %s: ok\n", target)
	return nil
}

// reachable gives the host to connect to for a host to listen at. For all interfaces it is the
// loopback address.
func reachable(host string) string {
	ip := net.ParseIP(host)
	switch {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		return "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		return "::1"
	}
	return host
}
