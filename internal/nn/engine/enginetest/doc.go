// Package enginetest opens an engine for the tests of other packages.
package enginetest
