package picture

// Normalization is the change from 8-bit colour to what a network sees: (v/255 - Mean) / Std, per
// channel in the order red, green, blue.
type Normalization struct {
	Mean, Std [3]float32
}

// Table gives the normalised value of each level of each channel.
func (n Normalization) Table() (table [3][256]float32) {
	for c := range table {
		for v := range table[c] {
			table[c][v] = (float32(v)/255 - n.Mean[c]) / n.Std[c]
		}
	}
	return table
}

// Planes writes p, normalised, as three planes into dst, which has 3*Height*Width elements:
// [3,H,W].
func (n Normalization) Planes(dst []float32, p *RGB) {
	table := n.Table()
	size := p.Width * p.Height
	red, green, blue := dst[:size], dst[size:2*size], dst[2*size:3*size]
	for i := range red {
		px := p.Pix[3*i : 3*i+3 : 3*i+3]
		red[i], green[i], blue[i] = table[0][px[0]], table[1][px[1]], table[2][px[2]]
	}
}
