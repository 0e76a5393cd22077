// Package outbound decides to which addresses the server connects for clients: public ones only.
package outbound
