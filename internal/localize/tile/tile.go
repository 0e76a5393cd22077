package tile

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// Tile is a part of a picture.
type Tile struct {
	Image         []float32 // [3, Height, Width], normalised RGB
	Height, Width int       // pixels
	// X and Y are its origin, counted from the first column of the LeadX before the picture and from
	// the first row of the LeadY (see Localize). They are multiples of the network's stride.
	X, Y int
}

// Run computes a network's output for one tile, whose image is reused after the call; the output is
// [oh,ow] logits, where Height/oh = Width/ow is the network's stride. With more than one worker it
// is called concurrently.
type Run func(ctx context.Context, t Tile) (logits []float32, oh, ow int, err error)

// RunSeveral is Run for several networks: maps are their probabilities [oh,ow].
type RunSeveral func(ctx context.Context, t Tile) (maps [][]float32, oh, ow int, err error)

// Localize runs the network over the whole picture. The map has one value for each Stride x Stride
// cell of the picture and of the LeadX columns and LeadY rows before it (see Options.PhaseX): its
// Width is ceil((picture width + LeadX) / Stride), its Height likewise. It does not depend on the
// number of workers, to the last bit.
func Localize(ctx context.Context, p *picture.RGB, o Options, run Run) (*picture.Map, error) {
	maps, err := LocalizeSeveral(ctx, p, o, func(ctx context.Context, t Tile) ([][]float32, int, int, error) {
		logits, oh, ow, err := run(ctx, t)
		for i, v := range logits {
			logits[i] = numeric.Sigmoid32(v)
		}
		return [][]float32{logits}, oh, ow, err
	})
	if err != nil {
		return nil, err
	}
	return maps[0], nil
}

// LocalizeSeveral is Localize for several networks that see the same tiles.
func LocalizeSeveral(ctx context.Context, p *picture.RGB, o Options, run RunSeveral) ([]*picture.Map, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if p.Width <= 0 || p.Height <= 0 || len(p.Pix) != p.Width*p.Height*3 {
		return nil, fmt.Errorf("tile: picture of %dx%d has %d bytes, expected %d",
			p.Width, p.Height, len(p.Pix), p.Width*p.Height*3)
	}
	j := &job{picture: p, run: run, cols: o.place(p.Width, o.PhaseX), rows: o.place(p.Height, o.PhaseY), overlap: o.Overlap, progress: o.Progress}
	j.table = picture.Normalization{Mean: o.Mean, Std: o.Std}.Table()
	j.turn = sync.NewCond(&j.mu)
	return j.do(ctx, o.Workers)
}

// job is one picture in progress.
type job struct {
	picture    *picture.RGB
	run        RunSeveral
	cols, rows axis
	overlap    int
	table      [3][256]float32 // channel, byte -> normalised value
	progress   func(done, total int)

	mu     sync.Mutex
	turn   *sync.Cond
	next   int // tile to be handed out
	added  int // tiles gathered so far, in order
	err    error
	gather []*gatherer // one for each network
}

func (j *job) do(ctx context.Context, workers int) ([]*picture.Map, error) {
	n := len(j.cols.origins) * len(j.rows.origins)
	parallel.Each(min(workers, n), workers, func(int) { j.work(ctx, n) })
	if j.err != nil {
		return nil, j.err
	}
	maps := make([]*picture.Map, len(j.gather))
	for i, g := range j.gather {
		maps[i] = g.finish()
	}
	return maps, nil
}

// work runs tiles until none is left or one has failed.
func (j *job) work(ctx context.Context, n int) {
	h, w := j.rows.length, j.cols.length
	image := make([]float32, 3*h*w)
	for {
		j.mu.Lock()
		i := j.next
		j.next++
		failed := j.err != nil
		j.mu.Unlock()
		if failed || i >= n {
			return
		}
		var maps [][]float32
		var oh, ow int
		err := parallel.Catch(func() (err error) { // a panic must wake the workers that wait
			if err := ctx.Err(); err != nil {
				return err
			}
			parallel.Point("tile")
			y, x := j.rows.origins[i/len(j.cols.origins)], j.cols.origins[i%len(j.cols.origins)]
			j.fill(image, x, y, w, h)
			maps, oh, ow, err = j.run(ctx, Tile{image, h, w, x, y})
			return err
		})
		if err := j.add(i, maps, oh, ow, err); err != nil {
			return
		}
	}
}

// add adds the output of tile i after those before it: a fixed order of float additions makes the
// result independent of timing.
func (j *job) add(i int, maps [][]float32, oh, ow int, err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.added != i && j.err == nil {
		j.turn.Wait()
	}
	defer j.turn.Broadcast()
	if j.err != nil {
		return j.err
	}
	if err == nil {
		err = parallel.Catch(func() error { return j.gatherAll(i, maps, oh, ow) })
	}
	j.err = err
	j.added++
	if err == nil && j.progress != nil {
		j.progress(j.added, len(j.cols.origins)*len(j.rows.origins))
	}
	return err
}

// gatherAll adds the maps of tile i.
func (j *job) gatherAll(i int, maps [][]float32, oh, ow int) error {
	for len(j.gather) < len(maps) && i == 0 {
		g, err := newGatherer(j, oh, ow)
		if err != nil {
			return err
		}
		j.gather = append(j.gather, g)
	}
	if len(maps) != len(j.gather) {
		return fmt.Errorf("%w: %d maps, expected %d", errShape, len(maps), len(j.gather))
	}
	for k, m := range maps {
		if err := j.gather[k].add(i, m, oh, ow); err != nil {
			return err
		}
	}
	return nil
}

// fill writes the tile with origin (x0, y0) as [3,h,w] normalised values. Pixels outside the
// picture are mirrored.
func (j *job) fill(dst []float32, x0, y0, w, h int) {
	p, plane := j.picture, w*h
	x0, y0 = x0-j.cols.lead, y0-j.rows.lead
	before := max(0, -x0)
	inside := max(before, min(w, p.Width-x0))
	for y := range h {
		row := p.Pix[reflect(y0+y, p.Height)*p.Width*3:][:p.Width*3]
		r, g, b := dst[y*w:][:w], dst[plane+y*w:][:w], dst[2*plane+y*w:][:w]
		for x := before; x < inside; x++ {
			s := row[(x0+x)*3:][:3]
			r[x], g[x], b[x] = j.table[0][s[0]], j.table[1][s[1]], j.table[2][s[2]]
		}
		outside := func(from, to int) {
			for x := from; x < to; x++ {
				s := row[reflect(x0+x, p.Width)*3:][:3]
				r[x], g[x], b[x] = j.table[0][s[0]], j.table[1][s[1]], j.table[2][s[2]]
			}
		}
		outside(0, before)
		outside(inside, w)
	}
}

// reflect folds i into [0,n) without repeating the edge: n -> n-2.
func reflect(i, n int) int {
	if n == 1 {
		return 0
	}
	if i %= 2 * (n - 1); i < 0 {
		i += 2 * (n - 1)
	}
	if i >= n {
		return 2*(n-1) - i
	}
	return i
}

// gatherer adds up the windowed probabilities of all tiles.
type gatherer struct {
	job           *job
	stride        int
	oh, ow        int         // of one answer
	width, height int         // of the map
	sum, weight   []float32   // [height,width]
	across, down  [][]float32 // window of each column, row of tiles
}

var errShape = errors.New("tile: network's answer has an unexpected shape")

func newGatherer(j *job, oh, ow int) (*gatherer, error) {
	h, w := j.rows.length, j.cols.length
	if oh <= 0 || ow <= 0 || h%oh != 0 || w%ow != 0 || h/oh != w/ow {
		return nil, fmt.Errorf("%w: %dx%d for a tile of %dx%d, expected the tile divided by one whole number", errShape, oh, ow, h, w)
	}
	g := &gatherer{job: j, stride: h / oh, oh: oh, ow: ow}
	for _, a := range []axis{j.cols, j.rows} {
		if len(a.origins) > 1 && a.origins[1]%g.stride != 0 {
			return nil, fmt.Errorf("%w: stride %d does not divide the origins of the tiles", errShape, g.stride)
		}
	}
	g.width, g.height = ceilDiv(j.picture.Width+j.cols.lead, g.stride), ceilDiv(j.picture.Height+j.rows.lead, g.stride)
	g.sum = make([]float32, g.width*g.height)
	g.weight = make([]float32, g.width*g.height)
	ramp := max(1, j.overlap/g.stride)
	g.across, g.down = windows(ow, len(j.cols.origins), ramp), windows(oh, len(j.rows.origins), ramp)
	return g, nil
}

// windows are the weights of each of count tiles along one axis: 1, falling as sin^2 over ramp
// cells towards a neighbour.
func windows(cells, count, ramp int) [][]float32 {
	all := make([][]float32, count)
	for t := range all {
		w := make([]float32, cells)
		for i := range w {
			w[i] = 1
			if t > 0 {
				w[i] *= rise(i, ramp)
			}
			if t < count-1 {
				w[i] *= rise(cells-1-i, ramp)
			}
		}
		all[t] = w
	}
	return all
}

func rise(i, ramp int) float32 {
	if i >= ramp {
		return 1
	}
	s := math.Sin(math.Pi / 2 * (float64(i) + .5) / float64(ramp))
	return float32(s * s)
}

func (g *gatherer) add(i int, prob []float32, oh, ow int) error {
	if oh != g.oh || ow != g.ow || len(prob) != oh*ow {
		return fmt.Errorf("%w: %d values as %dx%d, expected %dx%d", errShape, len(prob), oh, ow, g.oh, g.ow)
	}
	row, col := i/len(g.job.cols.origins), i%len(g.job.cols.origins)
	y0, x0 := g.job.rows.origins[row]/g.stride, g.job.cols.origins[col]/g.stride
	n := min(g.ow, g.width-x0)
	for y := range min(g.oh, g.height-y0) {
		at, wy := (y0+y)*g.width+x0, g.down[row][y]
		sum, weight, answer := g.sum[at:][:n], g.weight[at:][:n], prob[y*ow:][:n]
		for x, wx := range g.across[col][:n] {
			sum[x] += wx * wy * answer[x]
			weight[x] += wx * wy
		}
	}
	return nil
}

func (g *gatherer) finish() *picture.Map {
	for i, w := range g.weight {
		// Rounding can take the quotient above 1.
		g.sum[i] = min(1, g.sum[i]/w)
	}
	return &picture.Map{Prob: g.sum, Width: g.width, Height: g.height, Stride: g.stride, LeadX: g.job.cols.lead, LeadY: g.job.rows.lead}
}
