package engine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// stillMapped reports whether this process maps the values of any of the initializers. It may also
// be true because of another session with the same weights.
func stillMapped(w *weightsFiles, list []initializer) bool {
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return true
	}
	ranges := map[string][][2]int64{} // mapped sections [start, end) of each file, by location
	for line := range strings.Lines(string(text)) {
		for location, f := range w.files {
			if section, ok := mappedSection(line, f); ok {
				ranges[location] = append(ranges[location], section)
			}
		}
	}
	for _, t := range list {
		for _, r := range ranges[t.location] {
			if r[0] <= t.offset && t.offset+t.length <= r[1] {
				return true
			}
		}
	}
	return false
}

// mappedSection returns the section of a file that a line of /proc/self/maps describes:
// "7f00-7f40 r--p 00001000 08:01 1234 /path". The file is recognised by its inode or its path: file
// systems in layers report the inode of one layer here and that of another elsewhere.
func mappedSection(line string, f weightsFile) (section [2]int64, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 {
		return section, false
	}
	stat, isStat := f.info.Sys().(*syscall.Stat_t)
	if !(isStat && fields[4] == fmt.Sprint(stat.Ino)) && !strings.Contains(line, f.path) {
		return section, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	start, errStart := strconv.ParseUint(from, 16, 64)
	end, errEnd := strconv.ParseUint(to, 16, 64)
	offset, err := strconv.ParseInt(fields[2], 16, 64)
	if errStart != nil || errEnd != nil || err != nil {
		return section, false
	}
	return [2]int64{offset, offset + int64(end-start)}, true
}

// smallWeights is the size in bytes up to which weights are read into memory right away. ONNX
// Runtime copies larger ones when it packs them for the processor, and unmaps their file.
const smallWeights = 3 << 20
