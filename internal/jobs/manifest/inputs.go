package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"github.com/declip/declip/internal/jobs/schema"
	"github.com/declip/declip/internal/jobs/store"
)

// Inputs finds items in a source.
type Inputs struct {
	Source store.Store
	// IsPicture tells names of pictures from others.
	IsPicture func(name string) bool
	// LeftOut, if set, is called with each object that is not used and the reason.
	LeftOut func(name string, reason error)
}

// Reasons why objects are left out.
var (
	ErrNotPicture = errors.New("not a picture")
	ErrNotMember  = errors.New("not a file")
)

func (in *Inputs) leave(name string, reason error) {
	if in.LeftOut != nil {
		in.LeftOut(name, reason)
	}
}

// tarSuffix ends the names of objects that hold many pictures, as WebDataset writes them.
const tarSuffix = ".tar"

// Prefix lists the pictures whose keys begin with prefix, in the order of the keys, and the
// pictures inside of tar archives.
func (in *Inputs) Prefix(ctx context.Context, prefix string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for info, err := range in.Source.List(ctx, prefix) {
			switch {
			case err != nil && info.Key == "":
				yield(Item{}, err)
				return
			case err != nil:
				in.leave(info.Key, err)
			case !in.key(ctx, info.Key, yield):
				return
			}
		}
	}
}

// key gives the item of an object, or the items in it. It returns false if yield wants no more.
func (in *Inputs) key(ctx context.Context, key string, yield func(Item, error) bool) bool {
	switch {
	case strings.HasSuffix(strings.ToLower(key), tarSuffix):
		for item, err := range in.Tar(ctx, key) {
			if !yield(item, err) || err != nil {
				return false
			}
		}
		return true
	case strings.HasPrefix(path.Base(key), "."): // hidden
		return true
	case !in.IsPicture(key):
		in.leave(key, ErrNotPicture)
		return true
	}
	return yield(Item{Key: key}, nil)
}

// Keys gives the items of the named objects, in their order. Tar archives are replaced by the
// pictures in them. Other objects need no name of a picture, as in Lines.
func (in *Inputs) Keys(ctx context.Context, keys []string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, key := range keys {
			item := Item{Key: key}
			if err := item.Check(); err != nil {
				yield(Item{}, err)
				return
			}
			if !strings.HasSuffix(strings.ToLower(key), tarSuffix) {
				if !yield(item, nil) {
					return
				}
				continue
			}
			for member, err := range in.Tar(ctx, key) {
				if !yield(member, err) || err != nil {
					return
				}
			}
		}
	}
}

// Lines reads a list: on each line the key of an object, or the JSON object of an Item. Tar
// archives are replaced by the pictures in them. An error names the line.
func (in *Inputs) Lines(ctx context.Context, list io.Reader) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		stopped := errors.New("stopped")
		err := eachLine(list, func(line []byte) error {
			item := Item{Key: string(line)}
			if bytes.HasPrefix(line, []byte("{")) {
				var err error
				if item, err = parseItem(line); err != nil {
					return err
				}
			}
			if err := item.Check(); err != nil {
				return err
			}
			if item.Size == 0 && strings.HasSuffix(strings.ToLower(item.Key), tarSuffix) {
				for member, err := range in.Tar(ctx, item.Key) {
					if err != nil {
						return err
					}
					if !yield(member, nil) {
						return stopped
					}
				}
				return nil
			}
			if !yield(item, nil) {
				return stopped
			}
			return ctx.Err()
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(Item{}, fmt.Errorf("list: %w", err))
		}
	}
}

// errArchive is wrapped by errors about damaged archives.
var errArchive = fmt.Errorf("%w tar archive", schema.ErrInvalid)
