package store

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// opener opens a store of one scheme.
type opener func(ctx context.Context, u *url.URL, o Options) (Store, error)

// openers has the schemes that this program was built with.
var openers = map[string]opener{"file": openFile}

// Open opens the store at a URL. Text without a scheme is the path of a directory.
func Open(ctx context.Context, text string, o Options) (Store, error) {
	if !strings.Contains(text, "://") {
		return OpenDir(text, o)
	}
	u, err := url.Parse(text)
	if err != nil { // which may quote a password
		return nil, fmt.Errorf("store %q: %w: not a URL", text, ErrInvalid)
	}
	if u.User != nil {
		return nil, fmt.Errorf("store %q: %w: a URL must not have credentials", u.Redacted(), ErrInvalid)
	}
	open := openers[u.Scheme]
	if open == nil && (u.Scheme == "gs" || u.Scheme == "azblob") {
		return nil, fmt.Errorf("store %q: %w: expected file:// or s3://; docs/jobs.md says how pictures in Google Cloud Storage and Azure are reached",
			text, ErrInvalid)
	}
	if open == nil {
		return nil, fmt.Errorf("store %q: %w: expected file:// or s3://", text, ErrInvalid)
	}
	s, err := open(ctx, u, o)
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", text, err)
	}
	return s, nil
}
