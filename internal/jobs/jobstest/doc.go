// Package jobstest gives tests and measurements a queue's servers, and work that needs no model.
package jobstest
