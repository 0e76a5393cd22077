package forge

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"github.com/declip/declip/internal/picture"
)

// Kinds of untouched pictures that Vary makes. Networks mistake some of them for manipulated ones:
// parts differ in sharpness and noise, and no contents were changed.
const (
	KindPhoto      = "photo"      // the photograph, as other cameras and editors would give it
	KindScreenshot = "screenshot" // of a page that shows the photograph between texts
	KindScan       = "scan"       // of a print on paper, a little askew
	KindDocument   = "document"   // a page of text with a small print, unevenly lit
	KindMeme       = "meme"       // the photograph with a caption
	KindHDR        = "hdr"        // light and shadow brought closer together, fine detail stronger
	KindPortrait   = "portrait"   // with the background blurred by the camera
)

// kinds lists what makes each kind: a picture and the share that is saved as PNG.
var kinds = map[string]struct {
	make func(dice, *picture.RGB) (*picture.RGB, error)
	png  float64
}{
	KindPhoto:      {func(d dice, p *picture.RGB) (*picture.RGB, error) { return d.vary(p), nil }, 0.08},
	KindScreenshot: {dice.screenshot, 0.7},
	KindScan:       {dice.scan, 0.1},
	KindDocument:   {dice.document, 0.1},
	KindMeme:       {dice.meme, 0.1},
	KindHDR:        {func(d dice, p *picture.RGB) (*picture.RGB, error) { return d.highRange(d.reframe(p)), nil }, 0.08},
	KindPortrait:   {dice.portrait, 0.05},
}

// Kinds returns the names of all kinds of untouched pictures.
func Kinds() []string {
	return []string{KindPhoto, KindScreenshot, KindScan, KindDocument, KindMeme, KindHDR, KindPortrait}
}

// CheckKinds reports the first unknown kind.
func CheckKinds(names []string) error {
	for _, name := range names {
		if _, known := kinds[name]; !known {
			return fmt.Errorf("kind %q is unknown, expected some of %v", name, Kinds())
		}
	}
	return nil
}

// untouched makes a picture of the given kind, and draws whether it is saved as PNG.
func (d dice) untouched(name string, photo *picture.RGB) (p *picture.RGB, png bool, err error) {
	kind := kinds[name]
	if p, err = kind.make(d, photo); err != nil {
		return nil, false, err
	}
	return p, d.chance(kind.png), nil
}

// highRange compresses the large differences of luma and strengthens the small ones, as cameras do
// that join several exposures (Durand and Dorsey 2002, with a Gaussian for the base).
func (d dice) highRange(p *picture.RGB) *picture.RGB {
	w, h := p.Width, p.Height
	base := make([]float32, w*h)
	for i := range base {
		y, _, _ := toYCC(float32(p.Pix[3*i]), float32(p.Pix[3*i+1]), float32(p.Pix[3*i+2]))
		base[i] = float32(math.Log(float64(y) + 4))
	}
	fine := slices.Clone(base)
	blurPlane(base, w, h, 1, d.uniform(0.01, 0.03)*float64(max(w, h)))
	mean := 0.0
	for _, v := range base {
		mean += float64(v) / float64(len(base))
	}
	squeeze, detail := d.uniform(0.4, 0.75), d.uniform(1.1, 1.7)
	rgb := levels(p.Pix)
	for i, b := range base {
		rise := (squeeze-1)*(float64(b)-mean) + (detail-1)*float64(fine[i]-b)
		factor := float32(math.Exp(rise))
		for c := 3 * i; c < 3*i+3; c++ {
			rgb[c] *= factor
		}
	}
	saturate(rgb, float32(d.uniform(1, 1.4)))
	return rounded(rgb, w, h)
}

// portrait blurs all but one part, whose border follows the contents approximately, as cameras with
// an estimated depth do.
func (d dice) portrait(photo *picture.RGB) (*picture.RGB, error) {
	p := d.reframe(photo)
	w, h := p.Width, p.Height
	near, area := picture.NewGray(w, h), d.uniform(0.15, 0.4)*float64(w*h)
	center := point{d.uniform(0.3, 0.7) * float64(w), d.uniform(0.4, 0.8) * float64(h)}
	d.addRegion(near, p, center, area)
	if share(near) < 0.05 { // no borders to follow
		d.addOutline(near, d.ellipse(), center, area)
	}
	weight := make([]float32, w*h)
	for i, v := range near.Pix {
		weight[i] = float32(v) / 255
	}
	blurPlane(weight, w, h, 1, d.uniform(1, 4))
	sharp, soft := levels(p.Pix), levels(p.Pix)
	blurPlane(soft, w, h, 3, d.uniform(1.5, 7))
	for i := range sharp {
		f := weight[i/3]
		sharp[i] = sharp[i]*f + soft[i]*(1-f)
	}
	return rounded(sharp, w, h), nil
}

// scan lays the photograph on white paper, turns it a little, and digitises it.
func (d dice) scan(photo *picture.RGB) (*picture.RGB, error) {
	p := d.reframe(photo)
	left, right := int(d.uniform(0.03, 0.2)*float64(p.Width)), int(d.uniform(0.03, 0.2)*float64(p.Width))
	top, bottom := int(d.uniform(0.03, 0.2)*float64(p.Height)), int(d.uniform(0.03, 0.3)*float64(p.Height))
	page := d.paper(p.Width+left+right, p.Height+top+bottom)
	put(page, p, left, top)
	return d.digitised(page), nil
}

// paper is an empty page of a light colour.
func (d dice) paper(w, h int) *picture.RGB {
	light := d.between(232, 255)
	page := picture.NewRGB(w, h)
	fill(page, 0, 0, w, h, color.RGBA{uint8(light), uint8(light - d.between(0, 4)), uint8(light - d.between(0, 12)), 255})
	return page
}

// digitised turns a page by up to two degrees, lights it unevenly, and adds a scanner's blur and
// noise; some scans are grey.
func (d dice) digitised(page *picture.RGB) *picture.RGB {
	w, h := page.Width, page.Height
	rgb := turned(page, d.uniform(-2, 2)*math.Pi/180)
	sin, cos := math.Sincos(d.uniform(0, 2*math.Pi))
	shade := d.uniform(0, 0.25)
	for i := range w * h {
		x, y := float64(i%w)/float64(w)-0.5, float64(i/w)/float64(h)-0.5
		factor := float32(1 - shade*(0.5+x*cos+y*sin))
		for c := 3 * i; c < 3*i+3; c++ {
			rgb[c] *= factor
		}
	}
	blurPlane(rgb, w, h, 3, d.uniform(0.3, 0.9))
	d.addNoise(rgb, d.uniform(0.3, 2.5))
	if d.chance(0.25) {
		saturate(rgb, 0)
	}
	return rounded(rgb, w, h)
}

// turned rotates a page about its centre, with bilinear interpolation; beyond the border it repeats
// the edge. It gives levels [h, w, 3].
func turned(p *picture.RGB, angle float64) []float32 {
	w, h := p.Width, p.Height
	page := newSampler(&cutout{w: w, h: h, rgb: levels(p.Pix), alpha: make([]float32, w*h)}, warp{scale: 1, kernel: "bilinear"})
	sin, cos := math.Sincos(angle)
	out := make([]float32, 3*w*h)
	for i := range w * h {
		x, y := float64(i%w)-float64(w-1)/2, float64(i/w)-float64(h-1)/2
		page.at(x*cos-y*sin+float64(w-1)/2, x*sin+y*cos+float64(h-1)/2, out[3*i:3*i+3])
	}
	return out
}

// put copies all of p into page, with its upper left corner at (x, y); it must fit.
func put(page, p *picture.RGB, x, y int) {
	for row := range p.Height {
		copy(page.Pix[3*((y+row)*page.Width+x):], p.Pix[3*row*p.Width:3*(row+1)*p.Width])
	}
}

// fill colours the rectangle [x0,x1) x [y0,y1), as far as it is within p.
func fill(p *picture.RGB, x0, y0, x1, y1 int, c color.RGBA) {
	for y := max(y0, 0); y < min(y1, p.Height); y++ {
		for x := max(x0, 0); x < min(x1, p.Width); x++ {
			copy(p.Pix[3*(y*p.Width+x):], []uint8{c.R, c.G, c.B})
		}
	}
}
