package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/picture"
)

const (
	// workerKiB bounds the memory of a worker's data, in KiB.
	workerKiB = 1_500_000
	// poisonSide is that of a picture whose decoded pixels need more: such a worker aborts.
	poisonSide = 20_000
)

// startProgram starts workers of the program, which look at real pictures: links to those of a
// directory, as many as there are items. One kills them, because they run out of memory.
func (c *chaos) startProgram(ctx context.Context, clients string) (err error) {
	if c.digest, err = localize.Digest(ctx, []string{models.Default}, localize.Options{}); err != nil {
		return err
	}
	path, err := filepath.Abs(c.declip)
	if err != nil {
		return err
	}
	found := picture.Find(c.pictures, nil).Pictures
	if len(found) == 0 {
		return fmt.Errorf("-pictures %s: no pictures", c.pictures)
	}
	inbox := filepath.Join(c.dir, "store")
	if err := os.MkdirAll(inbox, 0o755); err != nil {
		return err
	}
	for i := range c.items {
		name := fmt.Sprintf("%07d%s", i, strings.ToLower(filepath.Ext(found[i%len(found)])))
		if err := os.Link(found[i%len(found)], filepath.Join(inbox, name)); err != nil {
			return err
		}
		c.names = append(c.names, name)
	}
	for _, bad := range []int{1, c.items / 2} {
		name := fmt.Sprintf("bad-%d.jpg", bad)
		if err := os.WriteFile(filepath.Join(inbox, name), []byte("not a picture"), 0o644); err != nil {
			return err
		}
		c.names[bad] = name
	}
	poison := c.items / 3
	c.names[poison] = "poison.png"
	if err := writePoison(filepath.Join(inbox, c.names[poison])); err != nil {
		return err
	}
	for i := range c.workers {
		args := []string{
			"-c", `ulimit -d "$1" && shift && exec "$@"`, "sh", fmt.Sprint(workerKiB), path, "worker", "--nats", clients, "--insecure", "--store", inbox, "--source", source + "=" + inbox, "--threads", "1",
		}
		c.kinds["worker"] = append(c.kinds["worker"], c.supervisor.add(c.dir, fmt.Sprint("worker-w", i), "/bin/sh", args...))
	}
	log.Printf("%d pictures of %d files", c.items, len(slices.Compact(found)))
	return nil
}

// writePoison writes a picture of one colour.
func writePoison(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, plain{image.NewUniform(color.Gray{Y: 128})}), f.Close())
}

// plain is a gray picture without pixels of its own.
type plain struct{ *image.Uniform }

// ColorModel implements image.Image.
func (plain) ColorModel() color.Model { return color.GrayModel }

// Bounds implements image.Image.
func (plain) Bounds() image.Rectangle { return image.Rect(0, 0, poisonSide, poisonSide) }
