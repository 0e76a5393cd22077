package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/declip/declip/internal/localize"
	"github.com/declip/declip/internal/models"
	"github.com/declip/declip/internal/picture"
)

// startProgram starts workers of the program, which look at real pictures: links to those of a
// directory, as many as there are items.
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
	for i := range c.workers {
		args := []string{
			"worker", "--nats", clients, "--insecure", "--store", inbox, "--source", source + "=" + inbox, "--threads", "1",
		}
		c.kinds["worker"] = append(c.kinds["worker"], c.supervisor.add(c.dir, fmt.Sprint("worker-w", i), path, args...))
	}
	log.Printf("%d pictures of %d files", c.items, len(slices.Compact(found)))
	return nil
}
