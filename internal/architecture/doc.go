// Package architecture has the tests that keep the structure of the code.
package architecture
