package weights

import (
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/declip/declip/internal/nn/weights/pickle"
)

// legacyMagic and legacyProtocol are the first two values in a file.
var legacyMagic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

const legacyProtocol = 1001

// parseLegacy reads the format that torch.save wrote before PyTorch 1.6 and still writes on
// request: five pickles (the magic number, the protocol's version, facts about the machine, the
// object, the keys of its storages), and then, for each key, a 64-bit count and that many numbers.
func (f *File) parseLegacy() error {
	storages := map[string]*torchStorage{}
	rules := &torchRules{storage: func(key string, dtype DType, count int64) (*torchStorage, error) {
		s, ok := storages[key]
		if !ok {
			s = &torchStorage{key: key, dtype: dtype, count: count}
			storages[key] = s
		}
		if s.dtype != dtype || s.count != count {
			return nil, fmt.Errorf("storage %q has %d %s, expected %d %s as before", key, count, dtype, s.count, s.dtype)
		}
		return s, nil
	}}
	d := pickle.NewDecoder(io.NewSectionReader(f.reader, 0, f.size), rules, maxPickle)
	if err := legacyHeader(d); err != nil {
		return err
	}
	value, err := d.Decode()
	if err != nil {
		return fmt.Errorf("the object: %w", err)
	}
	keys, err := d.Decode()
	if err != nil {
		return fmt.Errorf("the list of storages: %w", err)
	}
	if err := f.placeStorages(keys, storages, d.Offset()); err != nil {
		return err
	}
	return f.collect(value)
}

// legacyHeader reads the three values before the object.
func legacyHeader(d *pickle.Decoder) error {
	magic, err := d.Decode()
	if err != nil {
		return err
	}
	if n, ok := magic.(*big.Int); !ok || n.Cmp(legacyMagic) != 0 {
		return errors.New("a pickle, but not PyTorch's: the magic number is missing")
	}
	version, err := d.Decode()
	if err != nil {
		return err
	}
	if n, ok := version.(int64); !ok || n != legacyProtocol {
		return fmt.Errorf("unsupported version of the format, expected %d", legacyProtocol)
	}
	facts, err := d.Decode()
	if err != nil {
		return err
	}
	dict, ok := facts.(*pickle.Dict)
	if !ok {
		return fmt.Errorf("the facts about the machine are %s, expected a dict", pickle.Kind(facts))
	}
	for _, e := range dict.Entries {
		if e.Key == "little_endian" && e.Value != true {
			return errors.New("big-endian numbers; only little-endian ones are supported")
		}
	}
	return nil
}

// placeStorages finds the storages in the rest of the file, which begins at byte at and contains
// nothing else.
func (f *File) placeStorages(keys any, storages map[string]*torchStorage, at int64) error {
	list, ok := keys.(*pickle.List)
	if !ok {
		return fmt.Errorf("the list of storages is %s, expected a list", pickle.Kind(keys))
	}
	for _, item := range list.Items {
		key, _ := item.(string)
		s := storages[key]
		if s == nil || s.at != 0 {
			return fmt.Errorf("storage %q is listed twice or not used", key)
		}
		var prefix [8]byte
		if err := readFull(f.reader, prefix[:], at); err != nil {
			return fmt.Errorf("storage %q: %w", key, err)
		}
		if count := le.Uint64(prefix[:]); count != uint64(s.count) {
			return fmt.Errorf("storage %q has %d numbers, expected %d", key, count, s.count)
		}
		s.at = at + int64(len(prefix))
		length := s.count * int64(s.dtype.Size())
		if length > f.size-s.at {
			return fmt.Errorf("storage %q of %d bytes at byte %d ends outside the file of %d", key, length, s.at, f.size)
		}
		at = s.at + length
	}
	if len(list.Items) != len(storages) {
		return fmt.Errorf("%d storages are listed, expected %d", len(list.Items), len(storages))
	}
	if at != f.size {
		return fmt.Errorf("%d bytes after the last storage", f.size-at)
	}
	return nil
}
