package graph

import "math"

func refMatMul(a, b wide) wide {
	v, err := matMul{}.infer([]*Node{{shape: a.shape}, {shape: b.shape}})
	if err != nil {
		panic(err)
	}
	out := newWide(v[0].shape)
	k := len(out.shape)
	each(out.shape, func(i int, at []int) {
		row, col := append([]int{}, at...), append([]int{}, at...)
		for j := range a.shape[len(a.shape)-1] {
			row[k-1], col[k-2] = j, j
			out.data[i] += exactAt(a, row) * exactAt(b, col)
		}
	})
	return out
}

// exactAt is at with the leading dimensions broadcast.
func exactAt(w wide, at []int) float64 { return w.at(at...) }

func refGemm(op gemm, in []wide) wide {
	a, b := in[0], in[1]
	rows, inner, cols := a.shape[0], a.shape[1], b.shape[1]
	if op.transA {
		rows, inner = inner, rows
	}
	if op.transB {
		cols = b.shape[0]
	}
	out := newWide([]int{rows, cols})
	each(out.shape, func(i int, at []int) {
		for k := range inner {
			ai, bi := at[0]*a.shape[1]+k, k*b.shape[1]+at[1]
			if op.transA {
				ai = k*a.shape[1] + at[0]
			}
			if op.transB {
				bi = at[1]*b.shape[1] + k
			}
			out.data[i] += a.data[ai] * b.data[bi]
		}
		if len(in) == 3 {
			out.data[i] += in[2].data[at[1]]
		}
	})
	return out
}

func refConv(op conv, in []wide) wide {
	x, w := in[0], in[1]
	out := newWide([]int{x.shape[0], w.shape[0], op.size(x.shape[2], w.shape[2]), op.size(x.shape[3], w.shape[3])})
	per, each1 := w.shape[0]/op.Groups, w.shape[1]
	each(out.shape, func(i int, at []int) {
		sum := 0.0
		for c := range each1 {
			for u := range w.shape[2] {
				for v := range w.shape[3] {
					r := at[2]*op.Stride - op.Pad + u*op.Dilation
					s := at[3]*op.Stride - op.Pad + v*op.Dilation
					if r >= 0 && r < x.shape[2] && s >= 0 && s < x.shape[3] {
						ch := at[1]/per*each1 + c
						sum += x.data[((at[0]*x.shape[1]+ch)*x.shape[2]+r)*x.shape[3]+s] *
							w.data[((at[1]*each1+c)*w.shape[2]+u)*w.shape[3]+v]
					}
				}
			}
		}
		if len(in) == 3 {
			sum += in[2].data[at[1]]
		}
		out.data[i] = sum
	})
	return out
}

func refScale(x, scale, bias, mean, variance wide, eps float64) wide {
	out := newWide(x.shape)
	each(x.shape, func(i int, at []int) {
		c := at[1]
		out.data[i] = scale.data[c]*(x.data[i]-mean.data[c])/math.Sqrt(variance.data[c]+eps) + bias.data[c]
	})
	return out
}

func refMoments(x wide) []wide {
	c := x.shape[1]
	mean, variance := newWide([]int{c}), newWide([]int{c})
	n := float64(len(x.data) / c)
	each(x.shape, func(i int, at []int) { mean.data[at[1]] += x.data[i] / n })
	each(x.shape, func(i int, at []int) {
		variance.data[at[1]] += (x.data[i] - mean.data[at[1]]) * (x.data[i] - mean.data[at[1]]) / n
	})
	return []wide{mean, variance}
}

func refLayerNorm(x, scale, bias wide, eps float64) []wide {
	d := x.shape[len(x.shape)-1]
	out := newWide(x.shape)
	for from := 0; from < len(x.data); from += d {
		mean, variance := 0.0, 0.0
		for _, v := range x.data[from : from+d] {
			mean += v / float64(d)
		}
		for _, v := range x.data[from : from+d] {
			variance += (v - mean) * (v - mean) / float64(d)
		}
		for i, v := range x.data[from : from+d] {
			out.data[from+i] = scale.data[i]*(v-mean)/math.Sqrt(variance+eps) + bias.data[i]
		}
	}
	return []wide{out, {}, {}} // the moments are looked at by gradients only
}

func refPool(p pooling, x wide, maximum bool) wide {
	shape, err := p.shape(x.shape)
	if err != nil {
		panic(err)
	}
	out := newWide(shape)
	each(shape, func(i int, at []int) {
		best, sum := math.Inf(-1), 0.0
		for u := range p.k {
			for v := range p.k {
				r, s := at[2]*p.stride-p.pad+u, at[3]*p.stride-p.pad+v
				if r >= 0 && r < x.shape[2] && s >= 0 && s < x.shape[3] {
					value := x.at(at[0], at[1], r, s)
					best = max(best, value)
					sum += value
				}
			}
		}
		out.data[i] = sum / float64(p.k*p.k)
		if maximum {
			out.data[i] = best
		}
	})
	return out
}

// refBilinear samples at each output pixel, without matrices.
func refBilinear(x wide, h, w int, corners bool) wide {
	out := newWide([]int{x.shape[0], x.shape[1], h, w})
	place := func(o, in, size int) (int, int, float64) {
		s := max(float64(in)/float64(size)*(float64(o)+0.5)-0.5, 0)
		if corners {
			s = 0
			if size > 1 {
				s = float64(o) * float64(in-1) / float64(size-1)
			}
		}
		a := min(int(s), in-1)
		return a, min(a+1, in-1), s - float64(a)
	}
	each(out.shape, func(i int, at []int) {
		r0, r1, fr := place(at[2], x.shape[2], h)
		c0, c1, fc := place(at[3], x.shape[3], w)
		v := func(r, c int) float64 { return x.at(at[0], at[1], r, c) }
		out.data[i] = (1-fr)*((1-fc)*v(r0, c0)+fc*v(r0, c1)) + fr*((1-fc)*v(r1, c0)+fc*v(r1, c1))
	})
	return out
}

func refConcat(axis int, in []wide) wide {
	axis, _ = axisOf(axis, len(in[0].shape))
	shape := append([]int{}, in[0].shape...)
	shape[axis] = 0
	for _, w := range in {
		shape[axis] += w.shape[axis]
	}
	out := newWide(shape)
	each(shape, func(i int, at []int) {
		from := append([]int{}, at...)
		for _, w := range in {
			if from[axis] < w.shape[axis] {
				out.data[i] = w.at(from...)
				return
			}
			from[axis] -= w.shape[axis]
		}
	})
	return out
}

func refReduce(op reduce, x wide) wide {
	shape, kept, err := op.shapes(x.shape)
	if err != nil {
		panic(err)
	}
	out := newWide(kept)
	n := float64(len(x.data) / len(out.data))
	if op.kind == reduceMaxKind {
		for i := range out.data {
			out.data[i] = math.Inf(-1)
		}
	}
	each(x.shape, func(i int, at []int) {
		o := out.offset(at)
		switch op.kind {
		case sumKind:
			out.data[o] += x.data[i]
		case meanKind:
			out.data[o] += x.data[i] / n
		case reduceMaxKind:
			out.data[o] = max(out.data[o], x.data[i])
		}
	})
	return wide{shape, out.data}
}

func refSoftmax(axis int, x wide) wide {
	axis, _ = axisOf(axis, len(x.shape))
	exp := newWide(x.shape)
	for i, v := range x.data {
		exp.data[i] = math.Exp(v)
	}
	sum := refReduce(reduce{sumKind, []int{axis}, true}, exp)
	return mapPairs(exp, sum, pairs[divKind])
}
