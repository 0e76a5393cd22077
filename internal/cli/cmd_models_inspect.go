package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/declip/declip/internal/nn/network"
	"github.com/declip/declip/internal/nn/weights"
)

// inspection is what "declip models inspect --json" prints.
type inspection struct {
	Path   string `json:"path"`
	Format string `json:"format"`
	// Size of the file, or of all its shards, in bytes.
	Size int64 `json:"size"`
	// Shards are the files of a network that is split; Path is then their index.
	Shards []string `json:"shards,omitempty"`
	// Published is the catalogue's name for files of this file's name.
	Published string `json:"published,omitempty"`
	// Kind is "model", "decoder", "backbone" or "unknown".
	Kind string `json:"kind"`
	// Problem says why the network is unknown or unusable.
	Problem string        `json:"problem,omitempty"`
	Network *network.Spec `json:"network,omitempty"`
	// Needs names the missing backbones of a decoder, and Channels the number of channels it reads.
	Needs     []string            `json:"needs,omitempty"`
	Channels  int                 `json:"channels,omitempty"`
	Backbones []inspectedBackbone `json:"backbones,omitempty"`
	// Removed lists the prefixes of which the last part is left out of the tensors' names, such as
	// "module." and "state_dict.module.".
	Removed []string `json:"removed_prefixes,omitempty"`
	// Choices says which copy of a network is used where the file has several.
	Choices  []inspectedChoice `json:"prefix_choices,omitempty"`
	Metadata map[string]string `json:"metadata"`
	Tensors  []inspectedTensor `json:"tensors"`
	// Unused groups the tensors that the network does not need by the reason.
	Unused []inspectedUnused `json:"unused,omitempty"`
}

// inspectedUnused are tensors that the network does not need.
type inspectedUnused struct {
	Why   string   `json:"why"`
	Count int      `json:"count"`
	Size  int64    `json:"size"` // bytes
	Names []string `json:"names"`
}

// inspectedChoice holds prefixes of tensors' names, with their dots; "" for names without a prefix.
type inspectedChoice struct {
	Used   string   `json:"used"`
	Unused []string `json:"unused"`
}

type inspectedBackbone struct {
	Arch   string   `json:"arch"`
	Input  int      `json:"input"` // side of the picture in pixels
	Layers []string `json:"layers"`
	// Adapters is the number of linear layers with a LoRA adapter, and Ranks are those of the
	// adapters.
	Adapters int   `json:"adapters,omitempty"`
	Ranks    []int `json:"adapter_ranks,omitempty"`
	// Statistics name what DINOv3's pictures are normalised by, and Doubt says how that was determined
	// if the file does not state it.
	Statistics string `json:"statistics,omitempty"`
	Doubt      string `json:"doubt,omitempty"`
}

type inspectedTensor struct {
	Name  string        `json:"name"`
	DType weights.DType `json:"dtype"`
	Shape []int         `json:"shape"`
	Size  int64         `json:"size"` // bytes
	// Needed: part of the network. "declip models convert" drops the others.
	Needed bool `json:"needed"`
}

func (a *app) newModelsInspect() *cobra.Command {
	var asJSON bool
	var clip []string
	cmd := &cobra.Command{
		Use:   "inspect NAME|FILE",
		Short: "Show the contents of a model file",
		Long: `Show the format of a file of weights, the network detected in it, its notes on
training, and its tensors. Tensors marked * are part of the network. "declip
models convert" drops the others: the text tower, the optimizer, and the layers
after the one that the decoder reads.

Any file of PyTorch (.pth, .pt, TorchScript) or safetensors can be inspected.
Nothing in it is executed.`,
		Args: oneModel,
		RunE: func(_ *cobra.Command, args []string) error { return a.runModelsInspect(args[0], clip, asJSON) },
	}
	addClipFlag(cmd.Flags(), &clip)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object instead of text")
	return cmd
}

// oneModel checks that there is one argument.
func oneModel(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usagef(cmd, "no model or file is given")
	case 1:
		return nil
	}
	return usagef(cmd, "unexpected argument %q", args[1])
}

func (a *app) runModelsInspect(name string, clip []string, asJSON bool) error {
	x, err := examine(name, networkOptions{clip: clip})
	if err != nil {
		return err
	}
	defer x.close()
	report := x.inspect()
	if asJSON {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(report)
	}
	return report.write(a.stdout, x)
}

func (x *examined) inspect() inspection {
	r := inspection{
		Path: x.file.Path(), Format: x.file.Format(), Size: x.size, Published: x.published,
		Kind: x.kind, Metadata: x.file.Metadata(), Tensors: []inspectedTensor{},
	}
	if x.problem != nil {
		r.Problem = strings.TrimPrefix(x.problem.Error(), x.file.Path()+": ")
	}
	if paths := x.file.Files(); len(paths) > 1 || paths[0] != r.Path {
		r.Shards = paths
	}
	for _, p := range x.file.Removed() {
		r.Removed = append(r.Removed, p.Dict+p.Name)
	}
	for _, c := range x.file.Choices() {
		r.Choices = append(r.Choices, inspectedChoice(c))
	}
	if x.needs != nil {
		r.Needs, r.Channels = x.needs.Archs, x.needs.Channels
	}
	if x.model != nil {
		spec := x.model.Spec()
		r.Network = &spec
	}
	if x.contents != nil {
		for _, b := range x.contents.Backbones {
			count, ranks := b.Adapters()
			r.Backbones = append(r.Backbones, inspectedBackbone{b.Arch(), b.Side(), b.Layers(), count, ranks, b.StatisticsName(), b.Doubt()})
		}
	}
	needed := x.needed()
	for _, t := range x.file.Tensors() {
		shape := append([]int{}, t.Shape...) // never null in JSON
		r.Tensors = append(r.Tensors, inspectedTensor{t.Name, t.DType, shape, t.Length, needed[t.Name]})
	}
	for _, u := range network.Unused(x.file, x.contents, needed) {
		slices.SortFunc(u.Names, compareNumbered)
		r.Unused = append(r.Unused, inspectedUnused{u.Why, len(u.Names), u.Size, u.Names})
	}
	slices.SortFunc(r.Tensors, func(a, b inspectedTensor) int { return compareNumbered(a.Name, b.Name) })
	return r
}

// write prints the inspection as text.
func (r inspection) write(w io.Writer, x *examined) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row(t, "file", printable(r.Path))
	row(t, "format", fmt.Sprintf("%s, %s", r.Format, sizeText(r.Size)))
	if r.Shards != nil {
		row(t, "shards", strconv.Itoa(len(r.Shards)))
	}
	if r.Published != "" {
		row(t, "published as", r.Published+`, judging by its name ("declip models verify" compares the digest)`)
	}
	row(t, "contents", printable(x.holds()))
	if r.Problem != "" {
		row(t, "problem", printable(r.Problem))
	}
	for _, b := range r.Backbones {
		row(t, "backbone", fmt.Sprintf("%s, %s to %s, pictures of %d x %d", b.Arch, b.Layers[0], b.Layers[len(b.Layers)-1], b.Input, b.Input))
	}
	for _, b := range r.Backbones {
		if b.Adapters > 0 {
			row(t, "adapters", fmt.Sprintf("%d of rank %s, merged when the model is opened", b.Adapters, strings.Trim(fmt.Sprint(b.Ranks), "[]")))
		}
	}
	for _, b := range r.Backbones {
		if b.Statistics != "" {
			row(t, "statistics", b.Statistics)
		}
		if b.Doubt != "" {
			row(t, "note", printable(b.Doubt))
		}
	}
	if x.needs != nil {
		row(t, "needs", printable(x.missing()))
	}
	for _, p := range x.file.Removed() {
		row(t, "prefix", fmt.Sprintf("%v, left out of all tensors' names", p))
	}
	for _, c := range x.file.Choices() {
		row(t, "choice", c.String())
	}
	row(t, "tensors", r.tensorsText())
	if text := r.optimizerText(); text != "" {
		row(t, "optimizer", text)
	}
	for _, u := range r.Unused {
		if !strings.HasPrefix(u.Names[0], network.OptimizerPrefix) { // which are in the row above
			row(t, "not used", u.String())
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	writeFacts(w, r.Metadata)
	return r.writeTensors(w)
}

// tensorsText says how many tensors there are, and how many of them the network needs.
func (r inspection) tensorsText() string {
	all, needed, bytes, bytesNeeded := len(r.Tensors), 0, int64(0), int64(0)
	for _, tensor := range r.Tensors {
		bytes += tensor.Size
		if tensor.Needed {
			needed++
			bytesNeeded += tensor.Size
		}
	}
	text := fmt.Sprintf("%d, %s", all, sizeText(bytes))
	if needed > 0 {
		text += fmt.Sprintf("; needed: %d, %s", needed, sizeText(bytesNeeded))
	}
	return text
}

// optimizerText counts the tensors of an optimizer, which the network does not use; empty without
// any.
func (r inspection) optimizerText() string {
	count, bytes := 0, int64(0)
	for _, tensor := range r.Tensors {
		if strings.HasPrefix(tensor.Name, network.OptimizerPrefix) {
			count++
			bytes += tensor.Size
		}
	}
	if count == 0 {
		return ""
	}
	return fmt.Sprintf("%d of the tensors, %s; not used", count, sizeText(bytes))
}

// String names the first few tensors; all are listed below without a mark.
func (u inspectedUnused) String() string {
	const shown = 3
	var names []string
	for _, name := range u.Names[:min(shown, len(u.Names))] {
		names = append(names, printable(name))
	}
	if more := len(u.Names) - shown; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%s, %s, %s: %s", plural(u.Count, "tensor"), sizeText(u.Size), u.Why, strings.Join(names, ", "))
}

// writeFacts prints the file's metadata.
func writeFacts(w io.Writer, metadata map[string]string) {
	if len(metadata) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t)
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		row(t, printable(shortened(key, 80)), printable(shortened(metadata[key], 200)))
	}
	t.Flush() // an error is repeated by the next write
}

func (r inspection) writeTensors(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t)
	for _, tensor := range r.Tensors {
		mark := " "
		if tensor.Needed {
			mark = "*"
		}
		fmt.Fprintf(t, "%s %s\t%s\t%v\t%s\n", mark, printable(tensor.Name), tensor.DType, tensor.Shape, sizeText(tensor.Size))
	}
	return t.Flush()
}

// compareNumbered compares names, and numbers in them by value: layer2 is less than layer10.
func compareNumbered(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x == 0 || y == 0 {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		m, n := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
		if c := cmp.Or(cmp.Compare(len(m), len(n)), strings.Compare(m, n)); c != 0 {
			return c
		}
		a, b = a[x:], b[y:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits is the number of digits that s begins with.
func digits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }

// shortened cuts s after the given number of characters.
func shortened(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}

// printable quotes a text from a file unless it can be printed: it may contain control characters
// that change the terminal.
func printable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.QuoteToGraphic(s)
	}
	return s
}
