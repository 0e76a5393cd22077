// Command soak overloads the service for an hour, with faults, and checks what it promises.
//
// It starts the program as a server on a loopback address, with ten times as many clients as it can
// hold. Most clients send pictures and check the answers; others send hostile requests, or leave
// before the answer. Meanwhile the server is killed, stopped and started again, cannot write files,
// or runs out of file descriptors. The exit code is 1 if a promise was broken:
//
//   - No request is lost: an answer of 200 is whole and right, and a request gets an answer as long
//     as the server runs.
//   - No answer has a status of 5xx, except refusals: 503 with Retry-After, while the server stops
//     or when a request exceeds its time.
//   - The server does not end by itself, and ends with 0 after SIGTERM.
//   - Its memory does not grow (see -slope). In short runs the figure is too uncertain to decide.
//   - When the clients have left, what it held for them is free.
//   - The files of --keep are whole.
//
// Faults are made with setrlimit for the server's process, which needs Linux, but not root.
//
//	go run ./tools/soak [-declip bin/declip] [-duration 1h] [-seed 1] [-keep DIR]
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"
)

type options struct {
	declip   string
	duration time.Duration
	queue    int
	seed     uint64
	keep     string
	slope    float64
	faults   string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("soak: ")
	var o options
	flag.StringVar(&o.declip, "declip", "bin/declip", "the program")
	flag.DurationVar(&o.duration, "duration", time.Hour, "how long clients send requests")
	flag.IntVar(&o.queue, "queue", 8, "the server's queue; there are ten times as many clients as fit into queue and workers")
	flag.Uint64Var(&o.seed, "seed", 1, "of everything that is random")
	flag.StringVar(&o.keep, "keep", "", "directory for the server's --keep, such as one on a small file system that fills up (default: a temporary one)")
	flag.Float64Var(&o.slope, "slope", 2, "most MB a minute by which memory may grow, in runs of 20 minutes and more")
	flag.StringVar(&o.faults, "faults", strings.Join(allFaults, ","), "what happens to the server; empty: nothing")
	flag.Parse()
	for name := range strings.SplitSeq(o.faults, ",") {
		if name != "" && !slices.Contains(allFaults, name) {
			log.Fatalf("-faults %s: expected some of %s", name, strings.Join(allFaults, ","))
		}
	}
	broken, err := run(context.Background(), o)
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range broken {
		fmt.Println("BROKEN:", text)
	}
	if len(broken) > 0 {
		os.Exit(1)
	}
}

// run is a whole soak. It prints the report and returns the promises that were broken.
func run(ctx context.Context, o options) (broken []string, err error) {
	if o.keep == "" {
		if o.keep, err = os.MkdirTemp("", "declip-soak-"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(o.keep)
	}
	p, err := startProgram(ctx, o)
	if err != nil {
		return nil, err
	}
	defer p.kill()
	requests, err := validRequests(ctx, p.url)
	if err != nil {
		return nil, fmt.Errorf("before the load: %w", err)
	}
	before, err := p.gauges(ctx)
	if err != nil {
		return nil, err
	}
	c := newCrowd(p, o, requests)
	stopFaults := c.startFaults(o)
	c.drive(ctx, o.duration)
	faults := stopFaults()
	after, err := c.calm(ctx, before)
	if err != nil {
		return nil, err
	}
	broken = append(c.tally.broken(), after...)
	broken = append(broken, p.broken()...)
	files, bad := checkArchive(o.keep)
	broken = append(broken, bad...)
	growth := p.memory.growth()
	if o.duration >= 20*time.Minute && growth.slope-2*growth.deviation > o.slope {
		broken = append(broken, fmt.Sprintf("memory grows by %v", growth))
	}
	fmt.Printf("soak of %v with %d clients, queue %d, seed %d: %s\n", o.duration, c.clients, o.queue, o.seed, p)
	fmt.Printf("  faults: %s\n%s", faults, c.tally)
	fmt.Printf("  memory: %v; at most %.0f MB\n", growth, p.memory.most)
	fmt.Printf("  MB of each process, every 10 s: %v\n", p.memory.series(10))
	fmt.Printf("  archive: %d files are whole\n", files)
	return broken, nil
}
