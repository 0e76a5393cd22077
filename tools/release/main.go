// Command release packs a directory into a reproducible archive; scripts/release.sh calls it.
//
//	go run ./tools/release -time SECONDS DIRECTORY ARCHIVE.tar.gz
//
// The archive holds the directory under its own name. The same contents and time give the same
// bytes: names are sorted, owners are left out, and every entry has the given time. The archive's
// SHA-256 and name are printed in the format of sha256sum.
package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

func main() {
	seconds := flag.Int64("time", 0, "time of all entries, in seconds since 1970")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "release: expected -time SECONDS DIRECTORY ARCHIVE")
		os.Exit(2)
	}
	sum, err := pack(flag.Arg(0), flag.Arg(1), time.Unix(*seconds, 0).UTC())
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
	fmt.Printf("%x  %s\n", sum, filepath.Base(flag.Arg(1)))
}

// pack writes the archive of a directory and returns its SHA-256.
func pack(directory, archive string, when time.Time) (sum []byte, err error) {
	file, err := os.Create(archive)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	hash := sha256.New()
	compressed, err := gzip.NewWriterLevel(io.MultiWriter(file, hash), gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(compressed)
	root := filepath.Dir(filepath.Clean(directory))
	// WalkDir goes through names in their order.
	err = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return add(w, root, path, entry, when)
	})
	if err := errors.Join(err, w.Close(), compressed.Close()); err != nil {
		return nil, err
	}
	return hash.Sum(nil), nil
}

// add adds a directory or a regular file. Its permissions become 755 if the owner may execute it,
// else 644.
func add(w *tar.Writer, root, path string, entry fs.DirEntry, when time.Time) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	name, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	header := &tar.Header{Name: filepath.ToSlash(name), Mode: 0o644, ModTime: when, Format: tar.FormatUSTAR}
	switch {
	case info.IsDir():
		header.Typeflag, header.Name, header.Mode = tar.TypeDir, header.Name+"/", 0o755
		return w.WriteHeader(header)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case info.Mode()&0o100 != 0:
		header.Mode = 0o755
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w, file)
	return err
}
