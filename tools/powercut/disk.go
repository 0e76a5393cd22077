package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// errImpossible: this machine cannot do it.
var errImpossible = errors.New("the power cannot be cut on this machine")

const (
	// hostBytes and diskBytes are the sizes of the file systems; their files are sparse.
	hostBytes = 6 << 30
	diskBytes = 2 << 30
	// careful keeps the file system from writing early what was not synced.
	careful = "noauto_da_alloc,commit=300,noinit_itable"
)

// mount is a mounted file system in a file.
type mount struct {
	file   string
	dir    string
	device string
}

// tool runs a program of the system and returns what it prints.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}

// checkMachine returns an errImpossible that says what is missing.
func checkMachine() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: it needs root", errImpossible)
	}
	for _, name := range []string{"mkfs.ext4", "losetup", "mount", "umount", "fsfreeze", "cp"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%w: %s is missing", errImpossible, name)
		}
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		return fmt.Errorf("%w: there are no loop devices: %w", errImpossible, err)
	}
	return nil
}

// newMount makes a file with an empty file system of n bytes and mounts it.
func newMount(ctx context.Context, file, dir string, n int64, options string) (*mount, error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(n), f.Close()); err != nil {
		return nil, err
	}
	if _, err := tool(ctx, "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", file); err != nil {
		return nil, err
	}
	return openMount(ctx, file, dir, options)
}

// openMount mounts a file with a file system. What a journal holds is replayed.
func openMount(ctx context.Context, file, dir, options string) (*mount, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	device, err := tool(ctx, "losetup", "--find", "--show", file)
	if err != nil {
		return nil, err
	}
	if _, err := tool(ctx, "mount", "-t", "ext4", "-o", options, device, dir); err != nil {
		_, detached := tool(ctx, "losetup", "--detach", device)
		return nil, errors.Join(err, detached)
	}
	return &mount{file, dir, device}, nil
}

// close unmounts the file system.
func (m *mount) close(ctx context.Context) error {
	_, err := tool(ctx, "umount", m.dir)
	if err != nil { // something in it is still open
		_, err = tool(ctx, "umount", "--lazy", m.dir)
	}
	_, detached := tool(ctx, "losetup", "--detach", m.device)
	return errors.Join(err, detached)
}

// power is the disk of a machine. Two hosts have its file in turn.
type power struct {
	hosts [2]*mount
	disk  *mount
	turn  int
}

// newPower makes the disk in files of dir, which is created if it is missing.
func newPower(ctx context.Context, dir string) (p *power, err error) {
	if err := checkMachine(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	p = &power{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close(context.WithoutCancel(ctx)))
		}
	}()
	for i := range p.hosts {
		name := filepath.Join(dir, fmt.Sprint("host", i))
		if p.hosts[i], err = newMount(ctx, name+".img", name, hostBytes, "defaults"); err != nil {
			return p, fmt.Errorf("%w: %w", errImpossible, err)
		}
	}
	p.disk, err = newMount(ctx, p.file(0), filepath.Join(dir, "disk"), diskBytes, careful)
	return p, err
}

func (p *power) file(turn int) string { return filepath.Join(p.hosts[turn%2].dir, "disk.img") }

func (p *power) host() string { return p.hosts[p.turn%2].dir }

// cutPower copies the contents of devices at one moment, ends their processes by kill, waits for
// them by end, and mounts the copies. With several devices, the moments are those of a few
// system calls, one after the other: what was answered before the first is on all of them.
func cutPower(ctx context.Context, list []*power, kill, end func() error) error {
	var errs []error
	frozen := 0
	for _, p := range list {
		if _, err := tool(ctx, "fsfreeze", "--freeze", p.host()); err != nil {
			errs = append(errs, err)
			break
		}
		frozen++
	}
	for _, p := range list[:frozen] {
		_, err := tool(ctx, "cp", "--sparse=always", p.file(p.turn), p.file(p.turn+1))
		errs = append(errs, err)
	}
	errs = append(errs, kill()) // they end when their devices answer again
	for _, p := range list[:frozen] {
		// The file system must not stay frozen, also after an error.
		_, err := tool(context.WithoutCancel(ctx), "fsfreeze", "--unfreeze", p.host())
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, end())...); err != nil {
		return err
	}
	for _, p := range list {
		if err := p.exchange(ctx); err != nil {
			return err
		}
	}
	return nil
}

// exchange replaces the disk by the copy.
func (p *power) exchange(ctx context.Context) error {
	old := p.disk
	p.disk = nil
	if err := errors.Join(old.close(ctx), os.Remove(old.file)); err != nil {
		return err
	}
	p.turn++
	disk, err := openMount(ctx, p.file(p.turn), old.dir, careful)
	p.disk = disk
	return err
}

// close unmounts everything.
func (p *power) close(ctx context.Context) error {
	var errs []error
	for _, m := range []*mount{p.disk, p.hosts[0], p.hosts[1]} {
		if m != nil {
			errs = append(errs, m.close(ctx), os.Remove(m.file))
		}
	}
	return errors.Join(errs...)
}
