//go:build !linux

package main

import "errors"

var errNoLimits = errors.New("limits of another process need Linux")

func limitFileSize(int, uint64) (func() error, error) { return nil, errNoLimits }

func limitDescriptors(int, uint64) (func() error, error) { return nil, errNoLimits }
