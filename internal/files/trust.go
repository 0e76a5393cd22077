package files

import "errors"

// ErrUntrusted is returned (wrapped) for a file that someone else could have put in its place.
var ErrUntrusted = errors.New("is not trusted")
