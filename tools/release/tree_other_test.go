//go:build !linux

package main

import "syscall"

// imageUser is the user and group of the Dockerfile's USER.
const imageUser = 65532

// inTree is for Linux only: images are.
func inTree(string) *syscall.SysProcAttr { return nil }
