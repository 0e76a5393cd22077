package engine

import "errors"

// errUntrusted is returned (wrapped) for a library that someone else could have put in its place.
var errUntrusted = errors.New("is not trusted")
