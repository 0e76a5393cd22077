// Command mutate localizes damaged pictures and checks that the program survives them.
//
// It takes pictures of all formats, changes each at random places (bits, header fields, repeated,
// missing and foreign pieces), and runs "declip localize" on the results with a small network. It
// fails if the program panics, hangs, needs too much memory, ends with the wrong exit code, leaves
// a picture without an answer, or writes results that are not whole. The same seed makes the same
// files.
//
//	go run ./tools/mutate [-declip bin/declip] [-n 2000] [-seed 1] [-keep DIR] [FILE|DIRECTORY...]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
	"github.com/declip/declip/internal/picture"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("mutate: ")
	o := options{memory: 1500 << 20}
	flag.StringVar(&o.declip, "declip", "bin/declip", "the program")
	flag.IntVar(&o.n, "n", 2000, "number of files")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the changes")
	flag.DurationVar(&o.limit, "limit", 10*time.Second, "longest time for a picture; a busy machine needs more")
	flag.IntVar(&o.batch, "batch", 50, "files for each run of the program")
	flag.StringVar(&o.keep, "keep", "", "directory for files that show a fault (default: not kept)")
	flag.Parse()
	o.from = flag.Args()
	if len(o.from) == 0 {
		o.from = []string{"internal/picture/testdata/golden", "internal/picture/testdata/cases"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

type options struct {
	declip string
	from   []string // files and directories
	n      int
	seed   uint64
	batch  int
	keep   string
	limit  time.Duration // for a picture
	memory int64         // bytes that the program may have resident
}

// run mutates, localizes and reports. Faults of the program are an error.
func run(ctx context.Context, o options, out io.Writer) error {
	seeds, err := readSeeds(o.from)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	model := filepath.Join(dir, "small.safetensors")
	if err := writeModel(model); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(o.seed, 0))
	t := newTally()
	for first := 0; first < o.n && ctx.Err() == nil; first += o.batch {
		b := batch{options: o, dir: filepath.Join(dir, fmt.Sprint(first)), model: model}
		for range min(o.batch, o.n-first) {
			b.add(seeds, rng)
		}
		if err := b.run(ctx, t); err != nil {
			return err
		}
		if err := os.RemoveAll(b.dir); err != nil {
			return err
		}
	}
	if err := t.write(out); err != nil {
		return err
	}
	if len(t.faults) > 0 {
		return fmt.Errorf("%d faults", len(t.faults))
	}
	return context.Cause(ctx)
}

// seed is a picture before it is changed.
type seed struct {
	format string // the extension of its name
	data   []byte
}

// maxSeed leaves out long files, of which one change touches little.
const maxSeed = 256 << 10

// readSeeds reads pictures, and those of directories, by format.
func readSeeds(from []string) (map[string][]seed, error) {
	seeds := map[string][]seed{}
	for _, root := range from {
		paths := []string{root}
		if info, err := os.Stat(root); err != nil {
			return nil, err
		} else if info.IsDir() {
			paths = picture.Find(root, nil).Pictures
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			if format := filepath.Ext(path); len(data) <= maxSeed {
				seeds[format] = append(seeds[format], seed{format, data})
			}
		}
	}
	if len(seeds) == 0 {
		return nil, errors.New("no pictures to start from")
	}
	return seeds, nil
}

// formats lists the formats of seeds in a fixed order.
func formats(seeds map[string][]seed) []string {
	var list []string
	for format := range seeds {
		list = append(list, format)
	}
	slices.Sort(list)
	return list
}

// writeModel writes a network that runs in milliseconds: the decoders are what is tested.
func writeModel(path string) error {
	n, err := network.New(network.Spec{
		Arch: network.ArchLite, Widths: []int{4, 4, 8, 8},
		LiteOptions: network.LiteOptions{Context: 8, Dilations: []int{1}},
	}, 1)
	if err != nil {
		return err
	}
	var tensors []weights.Tensor
	for _, p := range n.Params() {
		tensors = append(tensors, weights.FromFloat32s(p.Name, p.Shape, p.Data))
	}
	metadata, err := n.Metadata()
	if err != nil {
		return err
	}
	return weights.Write(path, tensors, metadata)
}
