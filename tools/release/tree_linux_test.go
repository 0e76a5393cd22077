package main

import "syscall"

// imageUser is the user and group of the Dockerfile's USER.
const imageUser = 65532

// inTree runs a program with another root directory, as the image's user.
func inTree(tree string) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Chroot: tree, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser}}
}
