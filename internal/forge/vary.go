package forge

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// VaryConfig says what Vary makes and from what.
type VaryConfig struct {
	Photos  string // directory of photographs; its subdirectories are searched, too
	Out     string // output directory
	Copies  int    // pictures made of each photograph
	Seed    uint64
	Kinds   []string // of which one is drawn for each picture, see Kinds; none: photographs
	Formats []string // file formats, some of Formats()
	Workers int      // photographs at a time; 0 means one for each core that the process may use
	Limits  picture.Limits

	// Progress, if set, is called after each picture, never concurrently.
	Progress func(done, total int)
}

// DefaultVaryConfig returns the configuration that the command starts from.
func DefaultVaryConfig() VaryConfig { return VaryConfig{Copies: 6, Seed: 1, Formats: usualFormats()} }

// Varied describes the result of Vary.
type Varied struct {
	Made       int       // 0 after an error
	Photos     int       // photographs found
	Unreadable []Failure // photographs that were skipped, by path
	Elapsed    time.Duration
}

// Vary makes new untouched pictures out of photographs, as other cameras, light and editors would
// give: with another framing, partly out of focus, smaller, smoothed, sharpened, with other tones,
// colours and noise, saved as JPEG of quality 70 to 98, as PNG, or in the chosen formats.
//
// Every step applies to the whole picture, so the results are untouched: networks can learn from
// them what untouched pictures look like, and Run can manipulate them. With Kinds, some are
// screenshots, scans and other pictures whose parts differ without any manipulation, and
// the names of files say which kind it is. A picture depends on its
// photograph, the seed and its index only. Photographs that cannot be read are skipped and listed.
// If none can be read the error says so.
func Vary(ctx context.Context, c VaryConfig) (Varied, error) {
	begin := time.Now()
	if err := c.Validate(); err != nil {
		return Varied{}, err
	}
	album, err := openAlbum(c.Photos, c.Limits, 0)
	if err != nil {
		return Varied{}, err
	}
	if err := c.prepareOut(); err != nil {
		return Varied{}, err
	}
	err = c.varyAll(ctx, album)
	v := Varied{Photos: len(album.paths), Unreadable: album.failures(), Elapsed: time.Since(begin)}
	if err != nil {
		return v, err
	}
	v.Made = (v.Photos - len(v.Unreadable)) * c.Copies
	if v.Made == 0 {
		leaveIfEmpty(c.Out)
		return v, fmt.Errorf("none of the %d photographs in %s can be used; the first: %w", v.Photos, c.Photos, v.Unreadable[0].Err)
	}
	return v, nil
}

// Validate reports the first setting that Vary cannot work with.
func (c VaryConfig) Validate() error {
	switch {
	case c.Photos == "":
		return errors.New("no directory of photographs given")
	case c.Out == "":
		return errors.New("no output directory given")
	case c.Copies < 1:
		return fmt.Errorf("copies is %d, expected at least 1", c.Copies)
	case c.Workers < 0:
		return fmt.Errorf("workers is %d, expected 0 or more", c.Workers)
	}
	if err := CheckKinds(c.Kinds); err != nil {
		return err
	}
	return CheckFormats(c.Formats)
}

// prepareOut makes the output directory, or checks that an existing one is of the same run.
func (c VaryConfig) prepareOut() error {
	photos, err := outside(c.Photos, c.Out)
	if err != nil {
		return err
	}
	return claim(c.Out, struct {
		Tool    string   `json:"tool"`
		Photos  string   `json:"photos"`
		Copies  int      `json:"copies"`
		Seed    uint64   `json:"seed"`
		Kinds   []string `json:"kinds,omitempty"`
		Formats []string `json:"formats,omitempty"`
	}{"declip forge vary", photos, c.Copies, c.Seed, c.Kinds, choice(c.Formats)})
}

// varyAll makes and writes all pictures, photograph by photograph.
func (c VaryConfig) varyAll(ctx context.Context, a *album) error {
	t := tally{total: len(a.paths) * c.Copies, progress: c.Progress}
	return parallel.For(ctx, len(a.paths), c.Workers, func(ctx context.Context, i int) error {
		photo, unreadable := a.open(i) // the album keeps the error
		for k := range c.Copies {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if unreadable == nil {
				if err := c.varyOne(ctx, photo, a.paths[i], i, k); err != nil {
					return err
				}
			}
			t.add()
		}
		return nil
	})
}

// varyOne makes and writes picture k of photograph i. Its name begins with both, because
// photographs in several directories may have the same name. A panic becomes an error that names
// the photograph.
func (c VaryConfig) varyOne(ctx context.Context, photo *picture.RGB, path string, i, k int) error {
	base := filepath.Base(path)
	file := filepath.Join(c.Out, fmt.Sprintf("%05d-%d_%s", i, k, strings.TrimSuffix(base, filepath.Ext(base))))
	var data []byte
	err := parallel.Catch(func() (err error) {
		parallel.Point("forge")
		d := newDice(c.Seed, uint64(i)<<20|uint64(k))
		kind := KindPhoto
		if len(c.Kinds) > 0 {
			kind = c.Kinds[d.IntN(len(c.Kinds))]
			file = filepath.Join(c.Out, fmt.Sprintf("%05d-%d_%s_%s", i, k, kind, strings.TrimSuffix(base, filepath.Ext(base))))
		}
		out, png, err := d.untouched(kind, photo)
		if err != nil {
			return err
		}
		format := c.drawFormat(d, png)
		file += extension(format)
		data, err = d.file(ctx, out, format)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return picture.WriteFile(file, data)
}

// drawFormat draws a picture's file format. It is PNG if png is true and that is among the chosen
// formats.
func (c VaryConfig) drawFormat(d dice, png bool) string {
	chosen := choice(c.Formats)
	others := slices.DeleteFunc(slices.Clone(chosen), func(name string) bool { return name == FormatPNG })
	switch {
	case png && len(others) == len(chosen) && chosen != nil, !png && len(others) > 0:
		return d.drawFormat(others)
	case png || len(chosen) > 0:
		return FormatPNG
	}
	return FormatJPEG
}

// file gives the bytes of a picture's file.
func (d dice) file(ctx context.Context, p *picture.RGB, format string) ([]byte, error) {
	switch format {
	case FormatPNG:
		return picture.EncodePNG(p, picture.Fast)
	case FormatJPEG:
		return picture.EncodeJPEG(p, d.between(70, 98))
	}
	s := Sample{Picture: p}
	_, err := d.storeAs(ctx, &s, format)
	return s.encoded, err
}
