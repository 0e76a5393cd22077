package doublejpeg

import (
	"context"
	"encoding/binary"
	"math"
	"runtime"

	"github.com/declip/declip/internal/numeric"
	"github.com/declip/declip/internal/parallel"
	"github.com/declip/declip/internal/picture"
)

// blocks are the blocks of a grid, row by row.
type blocks struct {
	levels  [frequencies][]uint8 // coefficients of each block, in steps, plus widest
	clipped []bool               // blocks with pixels at an end of their range
}

// order lists the frequencies, down and across, from low to high.
var order = func() (list [frequencies][2]int) {
	n := 0
	for sum := 1; n < frequencies; sum++ {
		for down := 0; down <= sum && n < frequencies; down++ {
			list[n] = [2]int{down, sum - down}
			n++
		}
	}
	return list
}()

// highest is the highest frequency in one direction that is used.
const highest = 6

// quantise computes the luma's coefficients in every stride-th block of the grid at (x0, y0), in
// steps; nil steps are 1.
func quantise(ctx context.Context, p *picture.RGB, x0, y0, stride int, steps *[64]uint16) (blocks, error) {
	var per [frequencies]float32
	for f, at := range order {
		per[f] = 1
		if steps != nil {
			per[f] = 1 / float32(max(steps[8*at[0]+at[1]], 1))
		}
	}
	across := (p.Width - x0) / 8
	n := (across*((p.Height-y0)/8) + stride - 1) / stride
	b := blocks{clipped: make([]bool, n)}
	for f := range b.levels {
		b.levels[f] = make([]uint8, n)
	}
	workers := max(1, min(runtime.GOMAXPROCS(0), n/1000))
	err := parallel.For(ctx, workers, workers, func(ctx context.Context, k int) error {
		for i := k * n / workers; i < (k+1)*n/workers; i++ {
			if i%256 == 0 {
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			x, y := x0+i*stride%across*8, y0+i*stride/across*8
			b.fill(i, p.Pix[3*(y*p.Width+x):], 3*p.Width, &per)
		}
		return nil
	})
	return b, err
}

// lumaOf are the shares of the values of red, green and blue in the luma.
var lumaOf = func() (shares [3][256]float32) {
	for c, share := range [3]float32{.299, .587, .114} {
		for v := range shares[c] {
			shares[c][v] = share * float32(v)
		}
	}
	return shares
}()

// anyZero reports whether one of the eight bytes of v is 0.
func anyZero(v uint64) bool { return (v-0x0101010101010101)&^v&0x8080808080808080 != 0 }

// fill computes block i, which begins at pix.
func (b *blocks) fill(i int, pix []uint8, stride int, per *[frequencies]float32) {
	var rows [8][highest + 1]float32
	clipped := false
	for y := range rows {
		row := (*[24]uint8)(pix[y*stride:])
		var luma [8]float32
		for x := range luma {
			luma[x] = lumaOf[0][row[3*x]] + lumaOf[1][row[3*x+1]] + lumaOf[2][row[3*x+2]]
		}
		for at := 0; at < len(row); at += 8 {
			v := binary.LittleEndian.Uint64(row[at:])
			clipped = clipped || anyZero(v) || anyZero(^v)
		}
		for u := range rows[y] {
			c := &numeric.DCT[u]
			rows[y][u] = luma[0]*c[0] + luma[1]*c[1] + luma[2]*c[2] + luma[3]*c[3] + luma[4]*c[4] + luma[5]*c[5] + luma[6]*c[6] + luma[7]*c[7]
		}
	}
	b.clipped[i] = clipped
	for f, at := range order {
		c, sum := &numeric.DCT[at[0]], float32(0)
		for y := range rows {
			sum += c[y] * rows[y][at[1]]
		}
		v := math.RoundToEven(float64(sum * per[f]))
		b.levels[f][i] = uint8(min(max(v, -widest), widest) + widest)
	}
}
