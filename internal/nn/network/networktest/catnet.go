package networktest

import "fmt"

// HRNet are the sizes of a high-resolution network. The JSON form is that of tools/golden.
type HRNet struct {
	Stem        int   `json:"stem"`
	Inner       int   `json:"inner"` // of layer1's bottlenecks
	Outer       int   `json:"outer"`
	Bottlenecks int   `json:"bottlenecks"`
	Blocks      int   `json:"blocks"` // of each branch
	Widths      []int `json:"widths"`
	Modules     []int `json:"modules"` // of stage2 to stage4
}

// CATNet are the sizes of CAT-Net.
type CATNet struct {
	HRNet
	DCT        [2]int `json:"dct"` // channels of the layers at full size
	DCTWidths  []int  `json:"dct_widths"`
	DCTModules []int  `json:"dct_modules"` // of dc_stage3 and dc_stage4
	DCTBlocks  int    `json:"dct_blocks"`
	Joined     []int  `json:"joined"` // widths of stage5
}

// PublishedCATNet are the sizes of the published weights.
var PublishedCATNet = CATNet{
	HRNet: HRNet{
		Stem: 64, Inner: 64, Outer: 256, Bottlenecks: 4, Blocks: 4,
		Widths: []int{48, 96, 192, 384}, Modules: []int{1, 4, 3},
	},
	DCT: [2]int{64, 4}, DCTWidths: []int{96, 192, 384}, DCTModules: []int{3, 2}, DCTBlocks: 4,
	Joined: []int{24, 48, 96, 192},
}

// SmallCATNet are sizes for tests.
var SmallCATNet = CATNet{
	HRNet: HRNet{
		Stem: 6, Inner: 5, Outer: 12, Bottlenecks: 2, Blocks: 2,
		Widths: []int{4, 6, 8, 10}, Modules: []int{1, 2, 1},
	},
	DCT: [2]int{7, 3}, DCTWidths: []int{5, 7, 9}, DCTModules: []int{2, 1}, DCTBlocks: 1,
	Joined: []int{3, 4, 5, 6},
}

// units collects the tensors of convolutions with batch norms.
type units struct{ rules []Rule }

// add adds a convolution whose output is about gain times the size of its input, and its norm.
func (u *units) add(conv, norm string, out, in, kernel int, gain float64) {
	u.rules = append(u.rules, Layer(conv, gain, out, in, kernel, kernel)[0])
	u.norm(norm, out)
}

// biased is add for a convolution with a bias.
func (u *units) biased(conv, norm string, out, in, kernel int, gain float64) {
	u.rules = append(u.rules, Layer(conv, gain, out, in, kernel, kernel)...)
	if norm != "" {
		u.norm(norm, out)
	}
}

func (u *units) norm(name string, width int) {
	u.rules = append(u.rules, BatchNorm(name, width)...)
	u.rules = append(u.rules, Rule{name + ".num_batches_tracked", []int{1}, 0, 1})
}

func (u *units) shortcut(name string, out, in int) {
	if in != out {
		u.add(name+".downsample.0", name+".downsample.1", out, in, 1, 1)
	}
}

func (u *units) basicBlock(name string, out, in int) {
	u.add(name+".conv1", name+".bn1", out, in, 3, 1)
	u.add(name+".conv2", name+".bn2", out, out, 3, 0.5)
	u.shortcut(name, out, in)
}

func (u *units) stage(name string, widths []int, modules, blocks int) {
	for m := range modules {
		at := fmt.Sprintf("%s.%d", name, m)
		for i, w := range widths {
			for b := range blocks {
				u.basicBlock(fmt.Sprintf("%s.branches.%d.%d", at, i, b), w, w)
			}
			for j, from := range widths {
				u.way(fmt.Sprintf("%s.fuse_layers.%d.%d", at, i, j), i, j, w, from)
			}
		}
	}
}

// way is that from branch j with its width to branch i.
func (u *units) way(name string, i, j, width, from int) {
	if j > i {
		u.add(name+".0", name+".1", width, from, 1, 0.5)
	}
	for k := range max(i-j, 0) {
		out := from
		if k == i-j-1 {
			out = width
		}
		at := fmt.Sprintf("%s.%d", name, k)
		u.add(at+".0", at+".1", out, from, 3, 0.7)
	}
}

func (u *units) smaller(name string, i, width, from int) {
	at := fmt.Sprintf("%s.%d.0", name, i)
	u.add(at+".0", at+".1", width, from, 3, 1)
}

func (u *units) hrnet(s HRNet) {
	u.add("conv1", "bn1", s.Stem, 3, 3, 1)
	u.add("conv2", "bn2", s.Stem, s.Stem, 3, 1)
	in := s.Stem
	for b := range s.Bottlenecks {
		name := fmt.Sprintf("layer1.%d", b)
		u.add(name+".conv1", name+".bn1", s.Inner, in, 1, 1)
		u.add(name+".conv2", name+".bn2", s.Inner, s.Inner, 3, 1)
		u.add(name+".conv3", name+".bn3", s.Outer, s.Inner, 1, 0.5)
		u.shortcut(name, s.Outer, in)
		in = s.Outer
	}
	w := s.Widths
	u.add("transition1.0.0", "transition1.0.1", w[0], in, 3, 1)
	u.smaller("transition1", 1, w[1], in)
	for i, modules := range s.Modules {
		if i > 0 {
			u.smaller(fmt.Sprintf("transition%d", i+1), i+1, w[i+1], w[i])
		}
		u.stage(fmt.Sprintf("stage%d", i+2), w[:i+2], modules, s.Blocks)
	}
}

// Rules are the tensors of the high-resolution network, for pictures of three channels.
func (s HRNet) Rules() []Rule {
	var u units
	u.hrnet(s)
	return u.rules
}

// Rules are the tensors of the network, or, without pixels, of the network over coefficients alone.
func (s CATNet) Rules(pixels bool) []Rule {
	var u units
	joined := s.DCTWidths
	if pixels {
		u.hrnet(s.HRNet)
		joined = s.Joined
	}
	u.dct(s)
	if pixels {
		for i, width := range s.Joined {
			in := s.Widths[i]
			if i > 0 {
				in += s.DCTWidths[i-1]
			}
			at := fmt.Sprintf("transition4.%d", i)
			u.add(at+".0", at+".1", width, in, 3, 1)
		}
		u.stage("stage5", s.Joined, 1, s.Blocks)
	}
	all := 0
	for _, w := range joined {
		all += w
	}
	u.biased("last_layer.0", "last_layer.1", all, all, 1, 1)
	u.biased("last_layer.3", "", 2, all, 1, 0.3)
	return u.rules
}

func (u *units) dct(s CATNet) {
	// One of 21 planes is 1 at each place.
	u.biased("dc_layer0_dil.0", "dc_layer0_dil.1", s.DCT[0], 21, 3, 4)
	u.add("dc_layer1_tail.0", "dc_layer1_tail.1", s.DCT[1], s.DCT[0], 1, 1)
	in, w := 2*64*s.DCT[1], s.DCTWidths
	for b := range s.DCTBlocks {
		u.basicBlock(fmt.Sprintf("dc_layer2.%d", b), w[0], in)
		in = w[0]
	}
	u.smaller("dc_transition2", 1, w[1], w[0])
	u.stage("dc_stage3", w[:2], s.DCTModules[0], s.DCTBlocks)
	u.smaller("dc_transition3", 2, w[2], w[1])
	u.stage("dc_stage4", w, s.DCTModules[1], s.DCTBlocks)
}
