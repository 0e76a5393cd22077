package forge

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/declip/declip/internal/picture"
	"github.com/declip/declip/internal/picture/encode"
)

// File formats of finished pictures.
const (
	FormatJPEG = "jpeg"
	FormatPNG  = "png"
	FormatWebP = "webp"
	FormatAVIF = "avif"
)

// formats lists the file formats with how often each is drawn, and the ends of their file names.
var formats = []struct {
	name, extension string
	weight          float64
}{
	{FormatJPEG, ".jpg", 0.4}, {FormatPNG, ".png", 0.12}, {FormatWebP, ".webp", 0.33}, {FormatAVIF, ".avif", 0.15},
}

// Formats returns the names of all file formats.
func Formats() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	return names
}

// usualFormats are the formats of Config by default.
func usualFormats() []string { return []string{FormatJPEG, FormatPNG} }

// CheckFormats reports the first unknown or repeated file format. There must be one at least.
func CheckFormats(names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("no file format given, expected some of %v", Formats())
	}
	for i, name := range names {
		if !slices.Contains(Formats(), name) {
			return fmt.Errorf("file format %q is unknown, expected some of %v", name, Formats())
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("file format %q is given twice", name)
		}
	}
	return nil
}

// validateFormats checks the file formats, and that WebP files can have the size.
func (c Config) validateFormats() error {
	// A treatment may enlarge a picture by 1.3.
	if most := encode.MaxWebP * 10 / 13; c.SizeMax > most && slices.Contains(c.Formats, FormatWebP) {
		return fmt.Errorf("size is %d,%d, expected at most %d with the file format %s", c.SizeMin, c.SizeMax, most, FormatWebP)
	}
	return CheckFormats(c.Formats)
}

// choice gives file formats in the order of Formats, or nil if they are the usual ones: with those,
// seeds make the pictures of versions that had no others.
func choice(names []string) []string {
	var chosen []string
	for _, name := range Formats() {
		if slices.Contains(names, name) {
			chosen = append(chosen, name)
		}
	}
	if slices.Equal(chosen, usualFormats()) {
		return nil
	}
	return chosen
}

// drawFormat draws one of the chosen file formats.
func (d dice) drawFormat(chosen []string) string {
	weights := make([]float64, len(chosen))
	for i, name := range chosen {
		weights[i] = formats[slices.Index(Formats(), name)].weight
	}
	return chosen[d.weighted(weights...)]
}

// extension is the end of a file's name.
func extension(format string) string {
	return formats[slices.Index(Formats(), format)].extension
}

// Kinds of treatments in a History, of formats other than JPEG. The value is the encoder's quality.
const (
	savedAsWebP = "webp"
	savedAsAVIF = "avif"
	// servedAsWebP is what services do that give out uploaded pictures as WebP: they resize them to
	// at most serviceSide pixels first.
	servedAsWebP = "platform-webp"
)

// serviceSide is the longer side of what a service gives out, in pixels.
const serviceSide = 1600

// Qualities, in the encoders' scales, of what a service gives out and of what people save.
const (
	serviceLow, serviceHigh = 75, 85
	webpLow, webpHigh       = 70, 95
	avifLow, avifHigh       = 45, 85
)

// losslessShare is the share of WebP files that people save without loss.
const losslessShare = 0.15

// saveWeb stores a picture as WebP or AVIF and reads it back.
func saveWeb(ctx context.Context, p *picture.RGB, step Treatment) (*picture.RGB, []byte, error) {
	save := encode.WebP
	if step.Kind == savedAsAVIF {
		save = encode.AVIF
	}
	file, err := save(ctx, p, int(step.Value))
	if err != nil {
		return nil, nil, err
	}
	read, err := picture.DecodeContext(ctx, file, picture.Limits{MaxPixels: math.MaxInt64})
	if err != nil {
		return nil, nil, fmt.Errorf("read back: %w", err)
	}
	return read.RGB, file, nil
}

// storeAs saves the finished picture as WebP or AVIF. It returns the step, which a WebP file
// without loss does not have.
func (d dice) storeAs(ctx context.Context, s *Sample, format string) ([]Treatment, error) {
	s.Format = format
	step := Treatment{savedAsAVIF, 0}
	switch {
	case format == FormatAVIF:
		step.Value = float64(d.between(avifLow, avifHigh))
	case d.chance(losslessShare):
		file, err := encode.WebPLossless(ctx, s.Picture)
		s.encoded, s.Lossless = file, true
		s.Picture = &picture.RGB{Pix: s.Picture.Pix, Width: s.Picture.Width, Height: s.Picture.Height}
		return nil, err
	default:
		step = Treatment{savedAsWebP, float64(d.between(webpLow, webpHigh))}
	}
	s.Quality = int(step.Value)
	var err error
	s.Picture, s.encoded, err = saveWeb(ctx, s.Picture, step)
	return []Treatment{step}, err
}

// liveIn is dice.live for a choice of formats: one picture in five was a WebP or AVIF file, if
// those are among them.
func (d dice) liveIn(ctx context.Context, p *picture.RGB, chosen []string) (*picture.RGB, []Treatment, error) {
	var steps []Treatment
	if slices.Contains(chosen, FormatWebP) {
		steps = append(steps, Treatment{servedAsWebP, float64(d.between(serviceLow, serviceHigh))},
			Treatment{savedAsWebP, float64(d.between(webpLow, webpHigh))})
	}
	if slices.Contains(chosen, FormatAVIF) {
		steps = append(steps, Treatment{savedAsAVIF, float64(d.between(avifLow, avifHigh))})
	}
	if len(steps) == 0 || !d.chance(0.2) {
		return d.live(p)
	}
	step := steps[d.IntN(len(steps))]
	out, _, err := saveWeb(ctx, p, step)
	return out, []Treatment{step}, err
}

// publishIn is dice.publish for a choice of formats. With WebP among them, a service has given out
// four pictures in ten, which are kept as they are or saved again.
func (d dice) publishIn(ctx context.Context, s *Sample, chosen []string) error {
	s.Format = d.drawFormat(chosen)
	if slices.Contains(chosen, FormatWebP) && d.chance(0.4) {
		if err := d.throughService(ctx, s); err != nil || s.Format == FormatWebP {
			return err
		}
	}
	switch s.Format {
	case FormatPNG:
		s.encoded, s.Quality = nil, 0
		return nil
	case FormatJPEG:
		s.Quality = 0
		if d.chance(0.65) {
			return d.saveByTable(s)
		}
		return d.throughPlatforms(s)
	}
	steps, err := d.storeAs(ctx, s, s.Format)
	s.History.After = append(s.History.After, steps...)
	return err
}

// throughService sends the picture through a service that gives out WebP.
func (d dice) throughService(ctx context.Context, s *Sample) error {
	if longer := max(s.Picture.Width, s.Picture.Height); longer > serviceSide {
		if err := d.shrink(s, serviceSide/float64(longer)); err != nil {
			return err
		}
	} else if err := d.platformSize(s); err != nil {
		return err
	}
	step := Treatment{servedAsWebP, float64(d.between(serviceLow, serviceHigh))}
	s.History.After = append(s.History.After, step)
	s.Quality = int(step.Value)
	var err error
	s.Picture, s.encoded, err = saveWeb(ctx, s.Picture, step)
	return err
}
