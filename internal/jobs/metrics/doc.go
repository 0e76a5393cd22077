// Package metrics counts what happens to jobs, for Prometheus.
//
// Counters are of this process: what its dispatcher and its worker did since it was started. Gauges
// of the queue are read from the queue when they are asked for, so each process that gives them
// gives the same values.
package metrics
