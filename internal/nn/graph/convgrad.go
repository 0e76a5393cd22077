package graph

// inputGradient returns the gradient of the loss by the input x of a convolution, given the
// gradient d by its output.
func (k conv) inputGradient(x, w, d *Node) *Node {
	kh, kw := w.shape[2], w.shape[3]
	if k.Stride > 1 && kh*kw == 1 && k.Pad == 0 {
		// A product at the low resolution, then zeros between the pixels.
		o := k.ConvOptions
		o.Stride = 1
		return spread(apply1(conv{o}, d, k.adjointKernel(w)), k.Stride, x.shape[2], x.shape[3])
	}
	if k.Stride > 1 {
		return apply1(convTranspose{k.ConvOptions, x.shape[2], x.shape[3]}, d, w)
	}
	// Stride 1: a convolution with the kernel flipped and its channels
	// exchanged, which runs faster than ConvTranspose.
	back := k.adjointKernel(w)
	padH, padW := k.Dilation*(kh-1)-k.Pad, k.Dilation*(kw-1)-k.Pad
	o := k.ConvOptions
	if padH == padW && padH >= 0 {
		o.Pad = padH
		return apply1(conv{o}, d, back)
	}
	// Kernels that aren't square, or padding beyond the kernel: pad or cut by
	// hand.
	o.Pad = 0
	before := []int{0, 0, max(padH, 0), max(padW, 0)}
	full := apply1(conv{o}, Pad(d, before, before), back)
	cut := []int{0, 0, min(padH, 0), min(padW, 0)}
	return Pad(full, cut, cut)
}

// spread inserts step-1 zeros after each pixel of d, in rows and columns, and crops or pads to the
// given size. Columns are spread by a product with a matrix of zeros and ones, which is faster than
// moving single numbers.
func spread(d *Node, step, height, width int) *Node {
	h, w := d.shape[2], d.shape[3]
	place := make([]float32, w*width)
	for i := range w {
		place[i*width+i*step] = 1
	}
	d = MatMul(d, d.graph.Const([]int{w, width}, place))
	d = Pad(Reshape(d, -1, d.shape[1], h, 1, width), make([]int, 5), []int{0, 0, 0, step - 1, 0})
	return Pad(Reshape(d, -1, d.shape[1], h*step, width), make([]int, 4), []int{0, 0, height - h*step, 0})
}

// adjointKernel rotates w [K,C/groups,kh,kw] by 180 degrees and exchanges input and output channels
// within each group: [C,K/groups,kh,kw].
func (k conv) adjointKernel(w *Node) *Node {
	n, c, kh, kw := w.shape[0], w.shape[1], w.shape[2], w.shape[3]
	g := k.Groups
	w = Reshape(w, g, n/g, c, kh*kw)
	if kh*kw > 1 {
		w = apply1(flip{3}, w)
	}
	return Reshape(Transpose(w, 0, 2, 1, 3), g*c, n/g, kh, kw)
}

// weightGradient returns the gradient of the loss by the kernel of a convolution.
func (k conv) weightGradient(x, w, d *Node) *Node {
	switch {
	case k.Groups == 1:
		return k.denseWeightGradient(x, w, d)
	case k.byDepthwise(x, w):
		return apply1(depthwiseKernel{k.Dilation}, x, d)
	case w.shape[1] == 1 && w.shape[0] == k.Groups:
		return k.depthwiseWeightGradient(x, w, d)
	}
	// Grouped: one dense gradient per group.
	n, c := w.shape[0]/k.Groups, w.shape[1]
	one := conv{k.ConvOptions}
	one.Groups = 1
	part := Slice(w, 0, 0, n)
	grads := make([]*Node, k.Groups)
	for i := range grads {
		grads[i] = one.denseWeightGradient(Slice(x, 1, i*c, (i+1)*c), part, Slice(d, 1, i*n, (i+1)*n))
	}
	return Concat(0, grads...)
}

// denseWeightGradient is the weight gradient of one group.
func (k conv) denseWeightGradient(x, w, d *Node) *Node {
	// A single product with both kernel dimensions stacked is about 15% faster if its result is
	// small, and if maps are so large that the zeros around them do not matter.
	const small, wide = 128 * 128, 64
	if size := w.shape[0] * w.shape[1]; k.Stride == 1 && (size <= small || size <= 2*small && d.shape[2] >= wide) {
		return k.stackedWeightGradient(x, w, d)
	}
	return k.rowWeightGradient(x, w, d)
}

// stackedWeightGradient computes all taps in one product: the input's rows,
// shifted to each row of the kernel, are stacked as channels, and so is the
// output's gradient, shifted to each column. Stride 1.
func (k conv) stackedWeightGradient(x, w, d *Node) *Node {
	n, c, kh, kw := w.shape[0], w.shape[1], w.shape[2], w.shape[3]
	h, v := d.shape[2], d.shape[3]
	wide := x.shape[3] + 2*k.Pad
	sums := blocks(func(b []*Node) *Node {
		x, d := k.padded(b[0]), b[1]
		rows, cols := make([]*Node, kh), make([]*Node, kw)
		for i := range rows {
			rows[i] = window(x, i*k.Dilation, 0, h, wide, 1)
		}
		for j := range cols {
			at := j * k.Dilation
			cols[j] = Pad(d, []int{0, 0, 0, at}, []int{0, 0, 0, wide - v - at})
		}
		left := Reshape(Concat(1, cols...), -1, kw*n, h*wide)
		right := Reshape(Concat(1, rows...), -1, kh*c, h*wide)
		return ReduceSum(MatMul(left, swapLast(right)), []int{0}, false)
	}, x, d)
	return Transpose(Reshape(sumOf(sums), kw, n, kh, c), 1, 3, 2, 0)
}

// rowWeightGradient computes, for each row of the kernel, one product of the output's gradient with
// the input's rows, shifted to the row's place; the shifts along columns are first stacked as
// channels, for as many images as keep the stack small.
func (k conv) rowWeightGradient(x, w, d *Node) *Node {
	n, c, kh, kw := w.shape[0], w.shape[1], w.shape[2], w.shape[3]
	h, v := d.shape[2], d.shape[3]
	rows := (h-1)*k.Stride + (kh-1)*k.Dilation + 1
	const most = 48 << 20 // bytes
	sums := blocksOf(most/max(4*kw*c*rows*v, 1), func(b []*Node) *Node {
		x, d := k.padded(b[0]), b[1]
		cols := make([]*Node, kw)
		for j := range cols {
			cols[j] = apply1(slice{[]int{2, 3}, []int{0, j * k.Dilation},
				[]int{rows, j*k.Dilation + (v-1)*k.Stride + 1}, []int{1, k.Stride}}, x)
		}
		stack := Concat(1, cols...) // [N, kw C, rows, v]
		left := Reshape(d, -1, n, h*v)
		grads := make([]*Node, kh)
		for i := range grads {
			at := i * k.Dilation
			part := stack
			if rows != h {
				part = apply1(slice{[]int{2}, []int{at}, []int{at + (h-1)*k.Stride + 1}, []int{k.Stride}}, stack)
			}
			right := Reshape(part, -1, kw*c, h*v)
			grads[i] = Reshape(ReduceSum(MatMul(left, swapLast(right)), []int{0}, false), n, 1, kw, c)
		}
		return Concat(1, grads...)
	}, x, d)
	return Transpose(sumOf(sums), 0, 3, 1, 2)
}

// depthwiseWeightGradient sums, for each tap of the kernel, the product of the
// output's gradient with the input shifted to the tap's place.
func (k conv) depthwiseWeightGradient(x, w, d *Node) *Node {
	kh, kw := w.shape[2], w.shape[3]
	sums := blocks(func(b []*Node) *Node {
		x, d := k.padded(b[0]), b[1]
		taps := make([]*Node, 0, kh*kw)
		for i := range kh {
			for j := range kw {
				part := window(x, i*k.Dilation, j*k.Dilation, d.shape[2], d.shape[3], k.Stride)
				taps = append(taps, Reshape(ReduceSum(Mul(d, part), []int{0, 2, 3}, false), -1, 1))
			}
		}
		return Concat(1, taps...)
	}, x, d)
	return Reshape(sumOf(sums), w.shape...)
}

// padded puts the convolution's zeros around x.
func (k conv) padded(x *Node) *Node {
	around := []int{0, 0, k.Pad, k.Pad}
	return Pad(x, around, around)
}
