// Command load measures how the service behaves under load.
//
// It compares the service's speed with the engine's, and measures what happens when there are more
// requests than the service can handle. It starts the given program as a server and sends requests
// to it.
//
//	go run ./tools/load [-declip bin/declip] [-seconds 20] [-phases LIST] PICTURE...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("load: ")
	var o options
	flag.StringVar(&o.declip, "declip", "bin/declip", "the program")
	flag.DurationVar(&o.time, "time", 20*time.Second, "for each phase")
	flag.StringVar(&o.phases, "phases", "engine,serve,overload,slow", "what to measure")
	flag.IntVar(&o.clients, "clients", 4, "clients in phase serve")
	flag.IntVar(&o.queue, "queue", 32, "the server's queue; phase overload has ten times as many clients as fit")
	flag.IntVar(&o.slow, "slow", 1000, "slow clients in phase slow")
	flag.Parse()
	if err := run(o, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

type options struct {
	declip  string
	time    time.Duration
	phases  string
	clients int
	queue   int
	slow    int
}

func run(o options, paths []string) error {
	if len(paths) == 0 {
		return errors.New("no picture is given")
	}
	var files [][]byte
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files = append(files, data)
	}
	alone := 0.0
	for phase := range strings.SplitSeq(o.phases, ",") {
		var err error
		switch phase {
		case "engine":
			alone, err = engineAlone(o.time, files)
		case "serve":
			err = throughput(o, files, alone)
		case "overload":
			err = overload(o, files)
		case "slow":
			err = slowClients(o, files)
		default:
			err = fmt.Errorf("phase %q is unknown", phase)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", phase, err)
		}
	}
	return nil
}

// throughput compares the server with the engine alone.
func throughput(o options, files [][]byte, alone float64) error {
	for _, maps := range []string{"none", "data"} {
		s, err := startServer(o)
		if err != nil {
			return err
		}
		c := crowd{url: s.url + "/v1/localize?maps=" + maps, files: files, clients: o.clients}
		t := c.drive(o.time)
		fmt.Printf("serve, maps=%s, %d clients: %s", maps, o.clients, t)
		if alone > 0 {
			fmt.Printf(", %.1f %% of the engine alone", 100*t.rate()/alone)
		}
		fmt.Printf("; %s\n", s.memory())
		if err := s.stop(); err != nil {
			return err
		}
	}
	return nil
}

// overload has ten times as many clients as fit into the queue and the workers.
func overload(o options, files [][]byte) error {
	s, err := startServer(o)
	if err != nil {
		return err
	}
	clients := 10 * (o.queue + 3)
	ctx, cancel := context.WithCancel(context.Background())
	samples := s.sample(ctx, 5*time.Second)
	c := crowd{url: s.url + "/v1/localize?maps=none", files: files, clients: clients}
	t := c.drive(o.time)
	cancel()
	fmt.Printf("overload, %d clients for %v: %s\n", clients, o.time, t)
	service, err := s.serviceTime()
	if err != nil {
		return err
	}
	fmt.Printf("  %d in the queue x %.0f ms in the network (2 at once) = %.1f s; (%d + 2 in progress) x %.0f ms between pictures = %.1f s on average\n",
		o.queue, 1000*service.Seconds(), float64(o.queue)*service.Seconds(), o.queue, 1000/t.rate(), float64(o.queue+2)/t.rate())
	fmt.Printf("  resident MB every 5 s: %v\n", <-samples)
	return s.stop()
}

// slowClients serves a few clients while many others only hold their connections.
func slowClients(o options, files [][]byte) error {
	s, err := startServer(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := molest(ctx, s.addr, o.slow, files[0])
	time.Sleep(2 * time.Second)
	c := crowd{url: s.url + "/v1/localize?maps=none", files: files, clients: o.clients}
	t := c.drive(o.time)
	memory := s.memory()
	cancel()
	fmt.Printf("serve with %d slow or broken clients, %d others: %s; %s\n", o.slow, o.clients, t, memory)
	fmt.Printf("  their connections closed by the server: %d\n", ended())
	return s.stop()
}
