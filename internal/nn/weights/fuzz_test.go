package weights

import (
	"bytes"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

// fuzzCost is the memory that opening a fuzzed file may allocate: the limit for pickles, and an
// amount for each byte of the file.
func fuzzCost(size int) uint64 { return costLimit + 64*uint64(size) }

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// checkFuzzed opens a file with any contents in bounded time and memory. If it opens, its tensors
// must be within the file and readable, and must survive being written as safetensors and read
// again.
func checkFuzzed(t *testing.T, data []byte) {
	before, start := allocated(), time.Now()
	f, err := OpenBytes("fuzz", data)
	if cost, elapsed := allocated()-before, time.Since(start); cost > fuzzCost(len(data)) || elapsed > timeLimit {
		t.Fatalf("%d MiB and %v for %d bytes", cost>>20, elapsed, len(data))
	}
	if err != nil {
		if !strings.HasPrefix(err.Error(), "fuzz: "+ErrFormat.Error()) {
			t.Fatal(err)
		}
		return
	}
	if len(f.Tensors()) > maxTensors || f.Format() != FormatSafetensors && len(f.Metadata()) > maxScalars {
		t.Fatalf("%d tensors, %d entries of metadata", len(f.Tensors()), len(f.Metadata()))
	}
	copies, total := f.Tensors(), int64(0)
	for i, tensor := range copies {
		size := int64(len(data))
		if tensor.Offset < 0 || tensor.Offset > size || tensor.Strides == nil && tensor.Length > size-tensor.Offset {
			t.Fatalf("%+v lies outside the file of %d", tensor, size)
		}
		if total += tensor.Length; total > 16<<20 {
			return // more would test nothing new, slowly
		}
		if copies[i].Data, err = f.Bytes(tensor.Name); err != nil || int64(len(copies[i].Data)) != tensor.Length {
			t.Fatalf("%q: %d bytes, %v; expected %d", tensor.Name, len(copies[i].Data), err, tensor.Length)
		}
		values, err := f.Float32s(tensor.Name)
		if err == nil && len(values) != tensor.Count() {
			t.Fatalf("%q: %d values, expected %d", tensor.Name, len(values), tensor.Count())
		}
	}
	again, err := Marshal(copies, f.Metadata())
	if err != nil {
		// A tensor may have the name that safetensors reserves for metadata.
		if strings.Contains(err.Error(), "is not allowed") {
			return
		}
		t.Fatal(err)
	}
	second, err := OpenBytes("again", again)
	if err != nil {
		t.Fatal(err)
	}
	for _, tensor := range copies {
		if b, err := second.Bytes(tensor.Name); err != nil || !bytes.Equal(tensor.Data, b) {
			t.Fatalf("%q changed: %v", tensor.Name, err)
		}
	}
}

func FuzzSafetensors(f *testing.F) {
	good, err := Marshal(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	for _, c := range badFiles {
		f.Add(c.data)
	}
	f.Fuzz(checkFuzzed)
}

// addGolden adds the small golden files of some formats.
func addGolden(f *testing.F, formats ...string) {
	for name, file := range goldenFiles(f) {
		for _, format := range formats {
			if data := readTestdata(f, name); file.Format == format && len(data) < 10_000 {
				f.Add(data)
			}
		}
	}
}

// FuzzZip changes whole archives. Most changes to a pickle in one are detected by its checksum;
// FuzzTorch bypasses the checksum.
func FuzzZip(f *testing.F) {
	addGolden(f, FormatPyTorch, FormatTorchScript)
	f.Add(torchZip(f, pDict(pText("a"), aTensor()), floats))
	wide, _ := zip64(pDict(pText("a"), aTensor()), floats["data/0"], 300)
	data := make([]byte, wide.size)
	if err := readFull(wide, data, 0); err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(checkFuzzed)
}

// FuzzTorch puts fuzzed pickles and numbers into valid archives.
func FuzzTorch(f *testing.F) {
	numbers := []byte(floats["data/0"])
	for pickle := range badPickles() {
		if len(pickle) < 10_000 {
			f.Add([]byte(pickle), numbers, len(pickle)%2 == 0)
		}
	}
	f.Add([]byte(pDict(pText("a"), aTensor(), pText("b"), pList(aTensor(), pInt(1)))), numbers, false)
	f.Add([]byte(pModule("Net", pText("a"), aTensor(), pText("n"), pModule("Sub", pText("x"), "\x88"))), numbers, true)
	f.Fuzz(func(t *testing.T, pickle, numbers []byte, torchScript bool) {
		entries := map[string]string{"data/0": string(numbers), "data/1": string(numbers)}
		if torchScript {
			entries = script(entries)
		}
		checkFuzzed(t, torchZip(t, string(pickle), entries))
	})
}

func FuzzLegacy(f *testing.F) {
	addGolden(f, FormatLegacy)
	for pickle := range badPickles() {
		if len(pickle) < 10_000 {
			f.Add(legacyFile(pickle, pList(pText("0")), legacyFloats))
		}
	}
	f.Fuzz(checkFuzzed)
}
