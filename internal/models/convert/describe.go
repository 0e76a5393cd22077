package convert

import (
	"fmt"
	"strings"

	"github.com/declip/declip/internal/nn/network"
)

// Port is an input or output of an exported file.
type Port struct {
	Name string
	Text string // its type and shape, and what its values are
}

func (p Port) String() string { return p.Name + ": " + p.Text }

// description is the text in the file.
func (r *Report) description(m *network.Pretrained) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v, exported by declip.\n", m.Spec())
	for _, p := range r.Inputs {
		fmt.Fprintf(&b, "Input %v.\n", p)
	}
	for _, p := range r.Outputs {
		fmt.Fprintf(&b, "Output %v.\n", p)
	}
	for _, n := range r.Notes {
		b.WriteString(n + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// describe fills in the ports and notes of a file for pictures of the given size.
func (r *Report) describe(m *network.Pretrained, o ONNXOptions) {
	size := fmt.Sprintf("%d, %d", o.Height, o.Width)
	if o.Height == 0 {
		size = "height, width"
	}
	switch m.Spec().Mode {
	case network.ModeTiles:
		r.describeTiles(m, size)
	case network.ModeWhole:
		r.describeWhole(m, size)
	default:
		r.Inputs = []Port{{network.PortImage, fmt.Sprintf("float32 [N, 3, %s], RGB in [0, 1], not normalised: "+
			"the whole picture, scaled to that size", size)}}
		r.Outputs = ownMap("[N, 1, h, w]")
		r.Notes = []string{
			"declip scales pictures with Pillow's bilinear filter, and the map bilinearly to the picture's size.",
			`"declip localize --tiles" runs it over squares of the picture's own pixels instead, and averages where they overlap.`,
		}
	}
}

// ownMap are the outputs of declip's networks.
func ownMap(shape string) []Port {
	return []Port{
		{network.PortLogits, "float32 " + shape},
		{network.PortProbabilities, "float32 " + shape + ", in [0, 1], that a pixel was manipulated"},
	}
}

func (r *Report) describeTiles(m *network.Pretrained, size string) {
	spec := m.Spec()
	r.Inputs = []Port{{network.PortImage, fmt.Sprintf("float32 [N, 3, %s], RGB in [0, 1], not normalised: "+
		"the picture's own pixels; sides are multiples of %d", size, m.SizeStep())}}
	r.Outputs = ownMap(fmt.Sprintf("[N, 1, h, w], a value for each %d x %d pixels", spec.Stride, spec.Stride))
	r.Notes = []string{
		fmt.Sprintf("declip runs it in tiles of one size, at most %d x %d pixels, which overlap by %d or more and begin at multiples "+
			"of 8 pixels from a corner of the JPEG grid. Sides of tiles are multiples of 32.", spec.Tile, spec.Tile, spec.Overlap),
		"Pixels beyond the picture mirror those inside, without repeating the edge.",
		"Where tiles overlap, their probabilities are averaged with weights that fall as sin^2 towards the other tile.",
	}
	if left := leftOut(spec); len(left) > 0 {
		r.Notes = append(r.Notes, "Not in the file: "+strings.Join(left, ", ")+".")
	}
}

// leftOut names the steps after a network that change its map or give a score.
func leftOut(spec network.Spec) []string {
	var list []string
	for _, d := range spec.Detectors {
		list = append(list, fmt.Sprintf("the detector %q", d))
	}
	if spec.Blobs {
		list = append(list, "the rule that drops small and low-confidence regions")
	}
	if spec.Judge != nil {
		list = append(list, "the calibrated probability that the whole picture was manipulated, which declip gives as its score")
	}
	return list
}

func (r *Report) describeWhole(m *network.Pretrained, size string) {
	arch := m.Spec().Arch
	image := Port{network.PortImage, fmt.Sprintf("float32 [1, 3, %s], RGB in [0, 1]", size)}
	full := fmt.Sprintf("float32 [1, 1, %s], in [0, 1]", size)
	r.Outputs = []Port{{network.PortMap, full + ", that a pixel was manipulated"}}
	score := Port{network.PortScore, "float32 [1], in [0, 1], that the picture was manipulated"}
	switch arch {
	case network.ArchCATNet, network.ArchCATNetDCT:
		r.describeCATNet(arch, image, size)
	case network.ArchPSCCNet:
		r.Inputs, r.Outputs = []Port{image}, append(r.Outputs, score)
		r.Notes = []string{"A transparent picture is laid over white."}
		if m.Spec().Input > 0 {
			h, w := m.Spec().MapSize(m.Spec().Input, m.Spec().Input)
			r.Outputs[0].Text = fmt.Sprintf("float32 [1, 1, %d, %d], in [0, 1], that a pixel was manipulated", h, w)
			r.Notes = append(r.Notes, "declip scales pictures to that size bicubically, and the map back bilinearly with aligned corners.")
		}
	case network.ArchTruFor:
		r.Inputs = []Port{image}
		r.Outputs = append(r.Outputs, Port{network.PortConfidence, full + ", that the map is right"}, score)
	}
}

// describeCATNet describes the inputs of CAT-Net.
func (r *Report) describeCATNet(arch string, image Port, size string) {
	if arch == network.ArchCATNet {
		image.Text += "; 0.5 beyond the picture"
		r.Inputs = []Port{image}
	}
	r.Inputs = append(r.Inputs,
		Port{network.PortCoefficients, fmt.Sprintf("float32 [1, 1, %s], the quantised coefficients of the JPEG file's first component: "+
			"that for row u and column v of an 8 x 8 block is at row u and column v of the block", size)},
		Port{network.PortSteps, "float32 [1, 1, 8, 8], the quantisation steps of that component"})
	r.Notes = []string{"Height and width are the picture's, rounded up to multiples of 8. The map is cut to the picture.",
		"A picture that is not a JPEG file is first saved as one of quality 100 without subsampling: " +
			"coefficients, steps and the pixels are those of that file."}
}
