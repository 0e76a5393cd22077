// Package architecture holds the tests that keep the structure of the code; it has no code of its own.
package architecture
