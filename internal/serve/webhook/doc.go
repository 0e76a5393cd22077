// Package webhook tells the callers of jobs that their jobs are over, by signed requests.
package webhook
