package weights

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/declip/declip/internal/nn/weights/pickle"
)

// Bounds on the values read from a pickle. References let a short pickle refer to any number of
// them.
const (
	maxVisits   = 1 << 20
	maxDepth    = 64
	maxTensors  = 1 << 16
	maxName     = 512  // bytes
	maxScalars  = 1024 // entries of metadata
	maxText     = 4096 // bytes of an entry; longer ones are left out
	maxRepeats  = 64   // most bytes of all tensors together, as a multiple of the file's length
	smallTensor = 1 << 20
)

// collector collects tensors and scalars from nested dicts, lists and modules under names joined by
// dots.
type collector struct {
	file    *File
	visits  int
	parents []any // dicts, lists and modules that contain the current value
	total   int64 // bytes of all tensors
}

// collect fills the file's tensors and metadata from the value of its pickle.
func (f *File) collect(value any) error {
	if _, ok := value.(*torchTensor); ok {
		return fmt.Errorf("contains one tensor without a name, expected a dict of tensors")
	}
	c := &collector{file: f}
	if err := c.walk("", value); err != nil {
		return err
	}
	f.sort()
	return nil
}

func (c *collector) walk(name string, value any) error {
	switch v := value.(type) {
	case *torchTensor:
		return c.add(name, v)
	case *pickle.Dict:
		if len(c.parents) <= maxNests {
			c.file.dicts[name] = true
		}
		return c.inside(name, v, func() error { return c.dict(name, v, false) })
	case *torchModule:
		if v.attributes == nil {
			return nil
		}
		return c.inside(name, v, func() error { return c.dict(name, v.attributes, true) })
	case *pickle.List:
		return c.inside(name, v, func() error { return c.list(name, v.Items) })
	case pickle.Tuple: // a tuple can contain itself only through a list or dict
		return c.inside(name, nil, func() error { return c.list(name, v) })
	}
	return nil
}

// inside runs walk with one more container on the path to the value.
func (c *collector) inside(name string, container any, walk func() error) error {
	if container != nil && slices.Contains(c.parents, container) {
		return fmt.Errorf("%q contains itself", name)
	}
	if len(c.parents) == maxDepth {
		return fmt.Errorf("%q is nested deeper than %d levels", name, maxDepth)
	}
	c.parents = append(c.parents, container)
	defer func() { c.parents = c.parents[:len(c.parents)-1] }()
	return walk()
}

func (c *collector) visit() error {
	if c.visits++; c.visits > maxVisits {
		return fmt.Errorf("more than %d values, counting every reference", maxVisits)
	}
	return nil
}

// dict collects the scalars of a dict before its children, so that those of outer dicts are not
// crowded out by inner ones.
func (c *collector) dict(name string, d *pickle.Dict, module bool) error {
	seen := map[string]bool{}
	for _, e := range d.Entries {
		if err := c.visit(); err != nil {
			return err
		}
		key, err := keyText(e.Key)
		if err != nil {
			return fmt.Errorf("in %q: %w", name, err)
		}
		if seen[key] {
			return fmt.Errorf("in %q: key %q appears twice", name, key)
		}
		seen[key] = true
		// Every module records whether it was saved while training.
		if !module || key != "training" {
			c.scalar(name, key, e.Value)
		}
	}
	for _, e := range d.Entries {
		key, _ := keyText(e.Key) // checked above
		if err := c.child(name, key, e.Value); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) list(name string, items []any) error {
	for i, v := range items {
		if err := c.visit(); err != nil {
			return err
		}
		if err := c.child(name, strconv.Itoa(i), v); err != nil {
			return err
		}
	}
	return nil
}

// child descends into the value if it may contain tensors.
func (c *collector) child(name, key string, value any) error {
	switch value.(type) {
	case *torchTensor, *torchModule, *pickle.Dict, *pickle.List, pickle.Tuple:
		full := join(name, key)
		if len(full) > maxName {
			return fmt.Errorf("in %q: a name of %d bytes, at most %d are allowed", name, len(full), maxName)
		}
		return c.walk(full, value)
	}
	return nil
}

func join(name, key string) string {
	if name == "" {
		return key
	}
	return name + "." + key
}

func keyText(key any) (string, error) {
	switch k := key.(type) {
	case string:
		if !utf8.ValidString(k) {
			return "", fmt.Errorf("key %q is not valid UTF-8", k)
		}
		return k, nil
	case int64:
		return strconv.FormatInt(k, 10), nil
	}
	return "", fmt.Errorf("a key is %s, expected a str or an int", pickle.Kind(key))
}

// scalar keeps a string, number or bool as metadata, names the class of an opaque object, and
// ignores everything else.
func (c *collector) scalar(name, key string, value any) {
	var text string
	switch v := value.(type) {
	case bool:
		text = strconv.FormatBool(v)
	case int64:
		text = strconv.FormatInt(v, 10)
	case *big.Int:
		text = v.String()
	case float64:
		text = strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		text = v
	case *torchOpaque:
		text = "(" + v.class.String() + ", not read)"
		c.settings(join(name, key), v)
	default:
		return
	}
	full := join(name, key)
	if len(c.file.metadata) < maxScalars && len(full) <= maxName && len(text) <= maxText && utf8.ValidString(text) {
		c.file.metadata[full] = text
	}
}

// settings keeps the entries of a namespace that a network may depend on.
func (c *collector) settings(name string, o *torchOpaque) {
	if o.state == nil {
		return
	}
	for _, e := range o.state.Entries {
		key, ok := e.Key.(string)
		if _, opaque := e.Value.(*torchOpaque); ok && !opaque && slices.Contains(namespaceKeys, key) {
			c.scalar(name, key, e.Value)
		}
	}
}

// add adds a tensor to the file.
func (c *collector) add(name string, t *torchTensor) error {
	if name == "" {
		return fmt.Errorf("a tensor has no name")
	}
	if _, ok := c.file.index[name]; ok {
		return fmt.Errorf("two tensors are named %q", name)
	}
	if len(c.file.tensors) == maxTensors {
		return fmt.Errorf("more than %d tensors", maxTensors)
	}
	length, err := byteLength(t.storage.dtype, t.shape)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	// Tensors can repeat numbers and share storages. Small ones may do so without limit, but the
	// work that a file causes must stay in proportion to its length.
	proper := max(c.file.size, smallTensor)
	if length > proper {
		return fmt.Errorf("tensor %q repeats its numbers to %d bytes in a file of %d", name, length, c.file.size)
	}
	if c.total += length; c.total/maxRepeats > proper {
		return fmt.Errorf("the tensors share their numbers to %d bytes in a file of %d", c.total, c.file.size)
	}
	size := int64(t.storage.dtype.Size())
	tensor := Tensor{
		Name: name, DType: t.storage.dtype, Shape: t.shape,
		Offset: t.storage.at + t.first*size, Length: length,
	}
	if !contiguous(t.shape, t.strides) {
		tensor.Strides = t.strides
	}
	c.file.index[name] = len(c.file.tensors)
	c.file.tensors = append(c.file.tensors, tensor)
	return nil
}

// contiguous reports whether the numbers are consecutive and in row-major order.
func contiguous(shape, strides []int) bool {
	if slices.Contains(shape, 0) {
		return true
	}
	next := 1
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] == 1 {
			continue
		}
		if strides[i] != next {
			return false
		}
		next *= shape[i]
	}
	return true
}
