package queue

import (
	"fmt"
	"strconv"
	"strings"
)

// Priority is the order in which messages of a pool are taken.
type Priority string

// The priorities.
const (
	Urgent Priority = "urgent"
	Normal Priority = "normal"
	Bulk   Priority = "bulk"
)

// Priorities lists the priorities, the first taken first.
var Priorities = []Priority{Urgent, Normal, Bulk}

// Class is the kind of machine that a pool's workers have.
type Class string

// The classes.
const (
	GPU   Class = "gpu"
	CPU   Class = "cpu"
	Train Class = "train"
)

// The first tokens of subjects.
const (
	workToken = "work"
	doneToken = "done"
	deadToken = "dead"
	hookToken = "hook"
)

const (
	mostToken  = 64 // characters
	digestPart = 12 // hexadecimal digits of a model's digest in a pool's name
)

// CheckToken returns an ErrInvalid if text cannot be a part of a subject or a key: tenants, jobs,
// pools and batches have 1 to 64 characters out of A-Z, a-z, 0-9, "_" and "-".
func CheckToken(text string) error {
	if text == "" || len(text) > mostToken {
		return fmt.Errorf("name %.80q: %w: expected 1 to %d characters, got %d", text, ErrInvalid, mostToken, len(text))
	}
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return fmt.Errorf("name %q: %w: expected only letters, digits, _ and -", text, ErrInvalid)
		}
	}
	return nil
}

// PoolName is the pool of the workers that run the model of a digest, in hexadecimal, on machines
// of a class: 12 digits, "_" and the class.
func PoolName(digest string, class Class) (string, error) {
	if len(digest) < digestPart {
		return "", fmt.Errorf("model digest %q: %w: expected at least %d hexadecimal digits", digest, ErrInvalid, digestPart)
	}
	for _, c := range []byte(digest) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", fmt.Errorf("model digest %.80q: %w: expected hexadecimal digits in lower case", digest, ErrInvalid)
		}
	}
	name := digest[:digestPart] + "_" + string(class)
	return name, CheckToken(name)
}

// TrainPool is the pool of the workers that train on a device, such as "gpu" or "cpu".
func TrainPool(device string) (string, error) {
	name := string(Train) + "_" + device
	return name, CheckToken(name)
}

// RangeName names a batch of n items of a manifest, the first of which has the number from, counted
// from 0: "FROM-N".
func RangeName(from, n int) string { return strconv.Itoa(from) + "-" + strconv.Itoa(n) }

// ParseRange is the inverse of RangeName.
func ParseRange(batch string) (from, n int, err error) {
	a, b, ok := strings.Cut(batch, "-")
	if from, err = strconv.Atoi(a); err == nil && ok {
		n, err = strconv.Atoi(b)
	}
	if err != nil || !ok || from < 0 || n < 1 || batch != RangeName(from, n) {
		return 0, 0, fmt.Errorf("batch %.80q: %w: expected FROM-N, such as 512-16", batch, ErrInvalid)
	}
	return from, n, nil
}

// Work names a message that is to be worked on.
type Work struct {
	Pool     string
	Priority Priority
	Tenant   string
	Job      string
	Batch    string // RangeName, or the hash of a training
}

// Subject is the message's subject, or an ErrInvalid.
func (w Work) Subject() (string, error) {
	return join(workToken, w.Pool, string(w.Priority), w.Tenant, w.Job, w.Batch)
}

// ParseWork is the inverse of Work.Subject.
func ParseWork(subject string) (Work, error) {
	t, err := split(subject, workToken, 5)
	if err != nil {
		return Work{}, err
	}
	return Work{t[0], Priority(t[1]), t[2], t[3], t[4]}, nil
}

// Done names a finished batch.
type Done struct{ Tenant, Job, Batch string }

// Subject is the event's subject, or an ErrInvalid.
func (d Done) Subject() (string, error) { return join(doneToken, d.Tenant, d.Job, d.Batch) }

// ParseDone is the inverse of Done.Subject.
func ParseDone(subject string) (Done, error) {
	t, err := split(subject, doneToken, 3)
	if err != nil {
		return Done{}, err
	}
	return Done{t[0], t[1], t[2]}, nil
}

// Dead names an item that killed its workers.
type Dead struct {
	Tenant, Job string
	Item        int // its number in the manifest, from 0
}

// Subject is the message's subject, or an ErrInvalid.
func (d Dead) Subject() (string, error) {
	return join(deadToken, d.Tenant, d.Job, strconv.Itoa(d.Item))
}

// ParseDead is the inverse of Dead.Subject.
func ParseDead(subject string) (Dead, error) {
	t, err := split(subject, deadToken, 3)
	if err != nil {
		return Dead{}, err
	}
	item, err := strconv.Atoi(t[2])
	if err != nil || strconv.Itoa(item) != t[2] || item < 0 {
		return Dead{}, fmt.Errorf("subject %.200q: %w: expected an item's number at the end", subject, ErrInvalid)
	}
	return Dead{t[0], t[1], item}, nil
}

// Hook names a job whose caller is to be notified of its end.
type Hook struct{ Tenant, Job string }

// Subject is the message's subject, or an ErrInvalid.
func (h Hook) Subject() (string, error) { return join(hookToken, h.Tenant, h.Job) }

// ParseHook is the inverse of Hook.Subject.
func ParseHook(subject string) (Hook, error) {
	t, err := split(subject, hookToken, 2)
	if err != nil {
		return Hook{}, err
	}
	return Hook{t[0], t[1]}, nil
}

// WorkOfJob selects the messages of a job in all pools.
func WorkOfJob(tenant, job string) (string, error) { return filterOf("work.*.*.", tenant, job, ".*") }

// WorkOfPool selects the messages of a pool, of one priority or, for "", of all.
func WorkOfPool(pool string, p Priority) (string, error) {
	if p == "" {
		return filterOf("work.", pool, "", ".>")
	}
	return filterOf("work.", pool, string(p), ".*.*.*")
}

// DoneOfJob selects the finished batches of a job.
func DoneOfJob(tenant, job string) (string, error) { return filterOf("done.", tenant, job, ".*") }

// DeadOfJob selects the dead items of a job.
func DeadOfJob(tenant, job string) (string, error) { return filterOf("dead.", tenant, job, ".*") }

// JobKey is a job's key in BucketJobs.
func JobKey(tenant, job string) (string, error) { return join(tenant, job) }

// ParseJobKey is the inverse of JobKey.
func ParseJobKey(key string) (tenant, job string, err error) {
	tenant, job, ok := strings.Cut(key, ".")
	if !ok || CheckToken(tenant) != nil || CheckToken(job) != nil {
		return "", "", fmt.Errorf("key %.200q: %w: expected TENANT.JOB", key, ErrInvalid)
	}
	return tenant, job, nil
}

// TryKey is an item's key in BucketTries.
func TryKey(job string, item int) (string, error) { return join(job, strconv.Itoa(item)) }

// DispatchKey is the key in BucketLeases of the dispatcher that serves a job.
func DispatchKey(job string) (string, error) { return join("dispatch", job) }

// WorkerKey is the key of a worker's heartbeat in BucketLeases; the filter AllWorkers selects all
// of them.
func WorkerKey(worker string) (string, error) { return join("worker", worker) }

// AllWorkers selects the heartbeats of workers in BucketLeases.
const AllWorkers = "worker.*"

// RunKey is a training's key in BucketRuns.
func RunKey(hash string) (string, error) { return join(hash) }

// join checks tokens and joins them by dots.
func join(tokens ...string) (string, error) {
	for _, t := range tokens {
		if err := CheckToken(t); err != nil {
			return "", err
		}
	}
	return strings.Join(tokens, "."), nil
}

// filterOf is before, a, "." and b if it is set, and after.
func filterOf(before, a, b, after string) (string, error) {
	tokens := []string{a}
	if b != "" {
		tokens = append(tokens, b)
	}
	text, err := join(tokens...)
	if err != nil {
		return "", err
	}
	return before + text + after, nil
}

// split takes a subject apart: n tokens after the first, which must be the given one.
func split(subject, first string, n int) ([]string, error) {
	t := strings.Split(subject, ".")
	if len(t) != n+1 || t[0] != first {
		return nil, fmt.Errorf("subject %.200q: %w: expected %s and %d names", subject, ErrInvalid, first, n)
	}
	for _, text := range t {
		if err := CheckToken(text); err != nil {
			return nil, fmt.Errorf("subject %.200q: %w", subject, err)
		}
	}
	return t[1:], nil
}
