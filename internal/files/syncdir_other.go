//go:build !linux && !darwin

package files

func syncDir(string) error { return nil }
