package evidence

// Cut copies the evidence of height x width pixels, both multiples of 8, from pixel (x, y) on, into
// dst, [Channels, height/8, width/8]. (0, 0) is the upper left corner of the first block, which
// may be before the picture; x and y are multiples of 8. Beyond the picture, the outermost
// blocks are repeated.
func (m *Map) Cut(dst []float32, x, y, height, width int) {
	across, down := width/side, height/side
	for c := range Channels {
		from := m.channel(c)
		for j := range down {
			row := from[min(max(y/side+j, 0), m.Height-1)*m.Width:][:m.Width]
			to := dst[(c*down+j)*across:][:across]
			for i := range to {
				to[i] = row[min(max(x/side+i, 0), m.Width-1)]
			}
		}
	}
}

// Turns are the ways in which a square may be turned: bit 0 of a turn mirrors left-right, bit 1
// mirrors top-bottom, and bit 2 then exchanges rows and columns.
const Turns = 8

// Turn turns the evidence of a square [Channels, n, n] along with its pixels: blocks move, borders
// between columns change places with one another or with those between rows.
func Turn(values []float32, n, turn int) []float32 {
	out := make([]float32, len(values))
	for c := range Channels {
		from, to := values[source(c, turn)*n*n:][:n*n], out[c*n*n:][:n*n]
		for y := range n {
			for x := range n {
				i, j := x, y
				if turn&1 != 0 {
					i = n - 1 - i
				}
				if turn&2 != 0 {
					j = n - 1 - j
				}
				if turn&4 != 0 {
					i, j = j, i
				}
				to[y*n+x] = from[j*n+i]
			}
		}
	}
	return out
}

// source is the channel that becomes channel c of a turned square.
func source(c, turn int) int {
	if c < columnChannels || c >= stepsChannel {
		return c
	}
	rows, at := (c-columnChannels)/side, (c-columnChannels)%side
	// Of a turned square, columns are what mirroring left-right reverses.
	if rows == 0 && turn&1 != 0 || rows == 1 && turn&2 != 0 {
		at = (side - at) % side // the border before pixel k is that before pixel 8-k
	}
	if turn&4 != 0 {
		rows = 1 - rows
	}
	return columnChannels + rows*side + at
}
