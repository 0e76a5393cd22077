package main

import "golang.org/x/sys/unix"

// limitFileSize keeps a process from writing files of more than bytes, as a full disk does.
func limitFileSize(pid int, bytes uint64) (restore func() error, err error) {
	return limit(pid, unix.RLIMIT_FSIZE, bytes)
}

// limitDescriptors keeps a process from opening files and connections with numbers from n on.
func limitDescriptors(pid int, n uint64) (restore func() error, err error) {
	return limit(pid, unix.RLIMIT_NOFILE, n)
}

func limit(pid, resource int, value uint64) (restore func() error, err error) {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &old); err != nil {
		return nil, err
	}
	if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: min(value, old.Max), Max: old.Max}, nil); err != nil {
		return nil, err
	}
	return func() error { return unix.Prlimit(pid, resource, &old, nil) }, nil
}
