// Command powercut cuts the power of a queue of jobs at random and checks that nothing is lost.
//
// A process with the embedded queue, a dispatcher, a worker with a fake model and a caller who
// submits jobs works in a file system on a loop device. At a random moment the device's content is
// copied as it is: what was written to the device is in the copy, and what was only in the page
// cache is not. The process is killed, the copy is mounted, which replays the journal of the file
// system, and the work continues in the copy, until the power is cut again. The caller notes
// outside of the device what was answered. The exit code is 1 unless after each cut
//
//   - each submitted job that was answered is there, and each job that was over still is,
//   - each key of the queue whose write was answered is there,
//   - each object whose write was answered has the contents that were written,
//
// and at the end each picture of each job has exactly one record.
//
// With -servers 3 the queue is a cluster of three servers, each of which has a device of its own;
// the store is elsewhere. Half of the cuts hit all of them, and the process that uses them, at
// once. The others hit one server: the remaining two have to answer again within half a minute, and
// only then is the server started again.
//
// The copy is exact, because the device's file is in a file system that is frozen while it is
// copied (FIFREEZE). A disk that loses its own cache although it was flushed is not simulated. The
// file system is mounted with noauto_da_alloc and a commit interval of five minutes, so that it
// writes nothing early that was not asked for with fsync.
//
// The exit code is 3 where this cannot be done: it needs Linux, root, loop devices, mkfs.ext4 and
// fsfreeze.
//
//	go run ./tools/powercut [-servers 1|3] [-cuts 30] [-items 1000] [-picture 5ms] [-seed 1]
//	    [-dir DIR] [-unsafe]
//
// With -unsafe the store does not call fsync: powercut then has to find broken promises.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	role   string // of a process that powercut has started
	queue  string // for such a process: the servers; "" for an embedded queue
	number int    // for a server

	servers, cuts, items int
	picture              time.Duration
	seed                 uint64
	dir                  string
	unsafe               bool
	last                 bool // for the process: submit no more jobs
	limit                time.Duration
}

// statusImpossible is the exit code where the power cannot be cut.
const statusImpossible = 3

func main() {
	log.SetFlags(log.Ltime)
	log.SetPrefix("powercut: ")
	var o options
	flag.StringVar(&o.role, "role", "", "for processes that powercut starts: node or server")
	flag.StringVar(&o.queue, "queue", "", "for processes that powercut starts: the servers of the queue")
	flag.IntVar(&o.number, "number", 0, "for processes that powercut starts: the number of the server")
	flag.BoolVar(&o.last, "last", false, "for processes that powercut starts: submit no more jobs")
	flag.IntVar(&o.servers, "servers", 1, "servers of the queue: 1, which is embedded, or 3 for a cluster")
	flag.IntVar(&o.cuts, "cuts", 30, "cuts of the power")
	flag.IntVar(&o.items, "items", 1000, "pictures of each job; two jobs are under way at a time")
	flag.DurationVar(&o.picture, "picture", 5*time.Millisecond, "how long the fake model takes for a picture")
	flag.Uint64Var(&o.seed, "seed", 1, "of everything that is random")
	flag.StringVar(&o.dir, "dir", "", "directory for everything (default: a temporary one, removed at the end)")
	flag.BoolVar(&o.unsafe, "unsafe", false, "write the store's objects without fsync, to see that powercut finds it")
	flag.DurationVar(&o.limit, "limit", time.Hour, "time for everything")
	flag.Parse()
	if o.cuts < 1 || o.items < 1 {
		log.Fatalf("-cuts %d -items %d: expected at least 1", o.cuts, o.items)
	}
	if o.servers != 1 && o.servers != 3 {
		log.Fatalf("-servers %d: expected 1 or 3", o.servers)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.role != "" {
		if err := play(ctx, o); err != nil && ctx.Err() == nil {
			log.Fatal(err)
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	broken, err := run(ctx, o)
	switch {
	case errors.Is(err, errImpossible):
		log.Print(err)
		os.Exit(statusImpossible)
	case err != nil:
		log.Fatal(err)
	case broken > 0:
		log.Fatalf("%d promises were broken", broken)
	}
}
