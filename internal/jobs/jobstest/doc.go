// Package jobstest gives tests and measurements a worker's work that needs no model.
package jobstest
