//go:build !windows

package files

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links a path may go through; Linux allows as many.
const maxLinks = 40

// CheckTrusted returns an error (ErrUntrusted) unless only root and the user uid can decide what an
// absolute path leads to; code that is found there may be executed. It follows the path one name
// at a time, through symbolic links, from the root directory. Every directory, link and the file
// itself must belong to root or uid. None may be writable by everyone, except for directories with
// the sticky bit on the way, such as /tmp, where users cannot replace the files of others.
// Group-writable files are accepted: groups of one user are usual.
func CheckTrusted(path string, uid uint32) error {
	const separator = string(filepath.Separator)
	rest := strings.Split(filepath.Clean(path), separator)
	current, links := separator, 0
	if err := checkOwnerAndMode(current, uid, len(rest) > 2); err != nil {
		return err
	}
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		if name == ".." { // part of a link's target
			current = filepath.Dir(current)
			continue
		}
		next := filepath.Join(current, name)
		info, err := os.Lstat(next)
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			current = next
			// The last directory must not be one that everyone may add files to.
			if err := checkOwnerAndMode(current, uid, len(rest) > 1); err != nil {
				return err
			}
			continue
		}
		if err := checkOwner(next, info, uid); err != nil {
			return err
		}
		if links++; links > maxLinks {
			return fmt.Errorf("%s: more than %d symbolic links", path, maxLinks)
		}
		target, err := os.Readlink(next)
		if err != nil {
			return err
		}
		if filepath.IsAbs(target) {
			current = separator
		}
		rest = append(strings.Split(target, separator), rest...)
	}
	return nil
}

// checkOwnerAndMode checks one file or directory. sticky allows a directory that everyone can write
// to if it has the sticky bit.
func checkOwnerAndMode(path string, uid uint32, sticky bool) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := checkOwner(path, info, uid); err != nil {
		return err
	}
	if info.Mode().Perm()&0o002 != 0 && (!sticky || info.Mode()&fs.ModeSticky == 0) {
		return fmt.Errorf("%w: everyone can write to %s", ErrUntrusted, path)
	}
	return nil
}

func checkOwner(path string, info fs.FileInfo, uid uint32) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%w: the owner of %s is unknown", ErrUntrusted, path)
	}
	if stat.Uid != 0 && stat.Uid != uid {
		return fmt.Errorf("%w: %s belongs to user %d, expected root or user %d", ErrUntrusted, path, stat.Uid, uid)
	}
	return nil
}

// CurrentUser returns the user whose rights the process has.
func CurrentUser() uint32 { return uint32(os.Geteuid()) }

// OwnedByUser reports whether a file belongs to the current user.
func OwnedByUser(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == CurrentUser()
}
