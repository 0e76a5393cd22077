package weights

import (
	"errors"
	"fmt"
	"strings"

	"github.com/declip/declip/internal/nn/weights/pickle"
)

// parseZip reads the format that torch.save and torch.jit.save write since PyTorch 1.6: a zip
// archive with one directory. In it, data.pkl describes the tensors, and data/<key> are their
// numbers, stored uncompressed. TorchScript's archives also have a constants.pkl; the code in them
// is never read.
func (f *File) parseZip() error {
	z, err := openZip(f.reader, f.size)
	if err != nil {
		return err
	}
	root, err := archiveRoot(z)
	if err != nil {
		return err
	}
	if _, ok := z.entries[root+"constants.pkl"]; ok {
		f.format = FormatTorchScript
	} else {
		f.format = FormatPyTorch
	}
	if err := checkByteOrder(z, root); err != nil {
		return err
	}
	r, check, err := z.open(root + "data.pkl")
	if err != nil {
		return err
	}
	rules := &torchRules{script: f.format == FormatTorchScript, storage: zipStorages(z, root)}
	value, err := pickle.NewDecoder(r, rules, maxPickle).Decode()
	if err != nil {
		return fmt.Errorf("%sdata.pkl: %w", root, err)
	}
	if err := check(); err != nil {
		return err
	}
	return f.collect(value)
}

// archiveRoot returns the directory that contains everything, with its slash.
func archiveRoot(z *zipArchive) (string, error) {
	found := ""
	for _, name := range z.names {
		root, rest, _ := strings.Cut(name, "/")
		switch rest {
		case "data.pkl":
			if found != "" {
				return "", fmt.Errorf("both %q and %q contain a data.pkl", found, root+"/")
			}
			found = root + "/"
		case "model.json":
			return "", errors.New("a TorchScript archive from before PyTorch 1.4; save it with a newer version")
		}
	}
	if found == "" {
		return "", errors.New("a zip archive without a data.pkl in its directory: not from PyTorch")
	}
	return found, nil
}

// checkByteOrder refuses big-endian numbers. PyTorch writes the byteorder entry since 2.1; before,
// only little-endian machines are known to have written such files.
func checkByteOrder(z *zipArchive, root string) error {
	name := root + "byteorder"
	if _, ok := z.entries[name]; !ok {
		return nil
	}
	start, size, err := z.locate(name)
	if err != nil {
		return err
	}
	order := make([]byte, min(size, 16))
	if err := readFull(z.reader, order, start); err != nil {
		return err
	}
	if string(order) != "little" {
		return fmt.Errorf("byte order %q; only little-endian numbers are supported", order)
	}
	return nil
}

// zipStorages returns a function that finds storages among an archive's entries.
func zipStorages(z *zipArchive, root string) func(string, DType, int64) (*torchStorage, error) {
	type place struct{ start, size int64 }
	known := map[string]place{}
	return func(key string, dtype DType, count int64) (*torchStorage, error) {
		p, ok := known[key]
		if !ok {
			var err error
			if p.start, p.size, err = z.locate(root + "data/" + key); err != nil {
				return nil, err
			}
			known[key] = p
		}
		if want := count * int64(dtype.Size()); want > p.size {
			return nil, fmt.Errorf("storage %q of %d %s takes %d bytes, but has %d", key, count, dtype, want, p.size)
		}
		return &torchStorage{key: key, dtype: dtype, count: count, at: p.start}, nil
	}
}
