package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/declip/declip/internal/serve/outbound"
)

// Headers of a request, as in the specification of Standard Webhooks
// (https://www.standardwebhooks.com).
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

const (
	// patience is the time for one request. It is shorter than queue.AckWait.
	patience = 15 * time.Second
	// readAnswer is how much of a response is read.
	readAnswer = 64 << 10
)

// errGone: the receiver wants no more requests.
var errGone = errors.New("the receiver answered 410")

// newClient makes a client that connects to the addresses that allow accepts. Proxies would resolve
// names themselves, so none is used; redirects are not followed.
func newClient(allow func(netip.AddrPort) error) *http.Client {
	return &http.Client{
		Timeout: patience,
		Transport: &http.Transport{
			DialContext: outbound.Dialer(allow).DialContext, TLSHandshakeTimeout: 5 * time.Second,
			MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// post sends a signed body. Each status but 2xx is an error.
func (s *Sender) post(ctx context.Context, address, id string, body []byte) error {
	u, err := url.Parse(address)
	if err != nil {
		return outbound.Refusef("the address is not a URL")
	}
	if err := outbound.CheckURL(u); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "declip")
	r.Header.Set(HeaderID, id)
	r.Header.Set(HeaderTimestamp, timestamp)
	r.Header.Set(HeaderSignature, Sign(s.secret, id, timestamp, body))
	a, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	_, _ = io.CopyN(io.Discard, a.Body, readAnswer) // the status says all
	switch {
	case a.StatusCode == http.StatusGone:
		return errGone
	case a.StatusCode < 200 || a.StatusCode > 299:
		return fmt.Errorf("the receiver answered %d", a.StatusCode)
	}
	return nil
}

// Sign is the signature of a request: v1, a comma, and the HMAC-SHA256 of "ID.TIMESTAMP.BODY" in
// base64. timestamp is in seconds since 1970.
func Sign(secret []byte, id, timestamp string, body []byte) string {
	m := hmac.New(sha256.New, secret)
	fmt.Fprintf(m, "%s.%s.", id, timestamp)
	m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// leastSecret is the shortest secret, in bytes.
const leastSecret = 24

// ParseSecret reads a secret: base64 after "whsec_", or else the text itself.
func ParseSecret(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	secret := []byte(text)
	if coded, ok := strings.CutPrefix(text, "whsec_"); ok {
		var err error
		if secret, err = base64.StdEncoding.DecodeString(coded); err != nil {
			return nil, errors.New("webhook secret: expected base64 after whsec_")
		}
	}
	if len(secret) < leastSecret {
		return nil, fmt.Errorf("webhook secret: it has %d bytes, expected at least %d", len(secret), leastSecret)
	}
	return secret, nil
}
