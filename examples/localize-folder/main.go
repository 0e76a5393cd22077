// Command localize-folder prints what a model finds in every picture of a directory.
//
//	go run ./examples/localize-folder [-out DIR] DIR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"log"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/declip/declip"
)

func main() {
	out := flag.String("out", "", "directory to write masks to (default: none are written)")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: localize-folder [-out DIR] DIR")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, flag.Arg(0), *out); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, directory, out string) error {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return err
	}
	if out != "" {
		if err := os.MkdirAll(out, 0o755); err != nil {
			return err
		}
	}
	// Opening a model takes longer than using it: open one and keep it.
	model, err := declip.Open("lite", declip.Options{})
	if err != nil {
		return err
	}
	defer model.Close()
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(directory, e.Name())
		result, err := model.LocalizeFile(ctx, path)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, declip.ErrFormat): // not a picture
			continue
		case err != nil: // the other pictures are still of use
			log.Print(err)
			continue
		}
		report(path, result)
		if out != "" {
			if err := writeMask(filepath.Join(out, e.Name()+".mask.png"), result); err != nil {
				return err
			}
		}
	}
	return nil
}

// report prints one line for the picture and one for each region above the threshold.
func report(path string, r *declip.Result) {
	fmt.Printf("%s: score %.2f, %.1f %% of the pixels above %.2f\n", path, r.Score, 100*r.ManipulatedFraction, r.Threshold)
	for _, region := range r.Regions {
		fmt.Printf("\t%v: %d pixels, mean probability %.2f\n", region.Box, region.Area, region.Mean)
	}
}

// writeMask writes a PNG of the picture's size: 255 where the probability is above the threshold.
func writeMask(path string, r *declip.Result) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, r.Mask()), f.Close())
}
