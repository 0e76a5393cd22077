package features

import (
	"errors"
	"os"
)

// Info describes the contents of a directory.
type Info struct {
	Dir     string `json:"dir"`
	Shards  int    `json:"shards"`
	Records int    `json:"records"`
	Bytes   int64  `json:"bytes"` // of all files
}

// Inspect counts the contents of a directory; nothing if there is no such directory.
func Inspect(dir string) (Info, error) {
	info := Info{Dir: dir}
	names, err := shardNames(dir)
	if errors.Is(err, os.ErrNotExist) {
		return info, nil
	}
	if err != nil {
		return info, err
	}
	info.Shards = len(names)
	_, info.Bytes = shardSizes(dir)
	for _, name := range names {
		s, err := openShard(dir, name)
		if err != nil {
			continue // being made or removed
		}
		err = s.entries(func(Key, entry) { info.Records++ })
		s.close()
		if err != nil {
			return info, err
		}
	}
	return info, nil
}

// Clear removes all shards except those that a running process uses. It returns what it removed and
// the number of remaining shards.
func Clear(dir string) (removed Info, inUse int, err error) {
	if removed, err = Inspect(dir); err != nil {
		return removed, 0, err
	}
	removed = Info{Dir: dir}
	sizes, _ := shardSizes(dir)
	for name, size := range sizes {
		if !remove(dir, name) {
			inUse++
			continue
		}
		removed.Shards++
		removed.Bytes += size
	}
	return removed, inUse, nil
}
