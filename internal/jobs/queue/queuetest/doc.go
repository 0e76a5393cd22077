// Package queuetest gives tests what servers of a queue need: addresses, certificates and keys.
package queuetest
