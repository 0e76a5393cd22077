// Command chaos kills the processes of a queue of jobs at random and checks that nothing is lost.
//
// It runs servers, a dispatcher and workers as processes on loopback addresses, submits jobs, and
// kills processes with SIGKILL: workers, the dispatcher, servers, and now and then all at once.
// Each is started again after half a second to four and a half. In each job one picture kills its
// worker and two cannot be read. The exit code is 1 unless at the end
//
//   - each picture of each job has exactly one record in the results,
//   - exactly the pictures that kill are given up.
//
// A fake model sleeps for the time of a picture. With -declip, the workers are those of the
// program, with the model lite and the pictures of -pictures. The one that kills them is too large
// for their memory, which is limited.
//
//	go run ./tools/chaos [-servers 1|3] [-kills 50] [-workers 4] [-items 5000] [-jobs 2]
//	    [-picture 10ms] [-seed 1] [-dir DIR] [-declip bin/declip -pictures DIR]
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	role, id string // of a process that chaos has started

	servers, workers, kills, items, jobs int

	picture  time.Duration
	seed     uint64
	dir      string
	declip   string
	pictures string
	queue    string // its servers, for a process that chaos has started
	limit    time.Duration
}

func main() {
	log.SetFlags(log.Ltime)
	log.SetPrefix("chaos: ")
	var o options
	flag.StringVar(&o.role, "role", "", "for processes that chaos starts: server, dispatcher or worker")
	flag.StringVar(&o.id, "id", "", "for processes that chaos starts: their name")
	flag.StringVar(&o.queue, "queue", "", "for processes that chaos starts: the servers")
	flag.IntVar(&o.servers, "servers", 1, "servers of the queue: 1, or 3 for a cluster")
	flag.IntVar(&o.workers, "workers", 4, "workers")
	flag.IntVar(&o.kills, "kills", 50, "kills")
	flag.IntVar(&o.items, "items", 5000, "pictures of each job")
	flag.IntVar(&o.jobs, "jobs", 2, "jobs at the same time; another one follows each until all kills are made")
	flag.DurationVar(&o.picture, "picture", 10*time.Millisecond, "how long the fake model takes for a picture")
	flag.Uint64Var(&o.seed, "seed", 1, "of everything that is random")
	flag.StringVar(&o.dir, "dir", "", "directory for everything (default: a temporary one, removed at the end)")
	flag.StringVar(&o.declip, "declip", "", "the program, for workers with the model lite")
	flag.StringVar(&o.pictures, "pictures", "", "directory of pictures, with -declip")
	flag.DurationVar(&o.limit, "limit", 30*time.Minute, "time for everything")
	flag.Parse()
	if o.servers != 1 && o.servers != 3 {
		log.Fatalf("-servers %d: expected 1 or 3", o.servers)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.role != "" {
		if err := play(ctx, o); err != nil && ctx.Err() == nil {
			log.Fatalf("%s %s: %v", o.role, o.id, err)
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	broken, err := run(ctx, o)
	if err != nil {
		log.Fatal(err)
	}
	if broken > 0 {
		log.Fatalf("%d promises were broken", broken)
	}
}
