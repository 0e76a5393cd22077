package weights

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/weights/pickle"
)

// maxPickle is the memory that reading a file's pickles may cost, in bytes. A checkpoint of a
// thousand tensors with its optimizer takes about 3 MB.
const maxPickle = 96 << 20

// torchStorage is an array of numbers in the file, which tensors are views of.
type torchStorage struct {
	key   string
	dtype DType
	count int64 // numbers
	at    int64 // first byte in the file; in legacy files known only after their pickles
}

// torchTensor is a view of a storage, within its bounds.
type torchTensor struct {
	storage        *torchStorage
	first          int64
	shape, strides []int
}

// torchModule is an object of a TorchScript class with its attributes.
type torchModule struct {
	class      pickle.Global
	attributes *pickle.Dict
}

// torchRules resolve the names in PyTorch's pickles.
type torchRules struct {
	script bool // a TorchScript archive: its classes and lists are allowed
	// storage returns the storage with a key, type and count.
	storage func(key string, dtype DType, count int64) (*torchStorage, error)
}

var storageTypes = map[string]DType{
	"DoubleStorage": Float64, "FloatStorage": Float32, "HalfStorage": Float16, "BFloat16Storage": BFloat16,
	"LongStorage": Int64, "IntStorage": Int32, "ShortStorage": Int16, "CharStorage": Int8,
	"ByteStorage": Uint8, "BoolStorage": Bool,
}

// Functions that a pickle may call.
var (
	rebuildTensor    = pickle.Global{Module: "torch._utils", Name: "_rebuild_tensor"}
	rebuildTensorV2  = pickle.Global{Module: "torch._utils", Name: "_rebuild_tensor_v2"}
	rebuildParameter = pickle.Global{Module: "torch._utils", Name: "_rebuild_parameter"}
	orderedDict      = pickle.Global{Module: "collections", Name: "OrderedDict"}
	torchSize        = pickle.Global{Module: "torch", Name: "Size"}
)

// scriptFunctions are the functions of TorchScript's pickles, in module torch.jit._pickle. Each
// returns its first argument.
var scriptFunctions = []string{
	"build_intlist", "build_doublelist", "build_boollist", "build_tensorlist", "restore_type_tag",
}

// Global refuses every name that is not on the list.
func (r *torchRules) Global(g pickle.Global) error {
	switch g {
	case rebuildTensor, rebuildTensorV2, rebuildParameter, orderedDict, torchSize:
		return nil
	}
	if _, ok := storageType(g); ok || isDict(g) || isOpaque(g) {
		return nil
	}
	if r.script && (isScriptClass(g) || isScriptFunction(g)) {
		return nil
	}
	name := g.Module + "." + g.Name
	switch {
	case g.Module == "torch" && strings.HasSuffix(g.Name, "Storage"):
		return fmt.Errorf("%q: numbers of this type are not supported", name)
	case g.Module == "torch._utils" && strings.Contains(g.Name, "qtensor"):
		return fmt.Errorf("%q: quantised tensors are not supported", name)
	case g.Module == "torch._utils" && strings.Contains(g.Name, "sparse"):
		return fmt.Errorf("%q: sparse tensors are not supported", name)
	}
	return fmt.Errorf("refers to %q: only tensors in dicts and lists, and plain data next to them, are supported (of a model, save its state_dict())", name)
}

func storageType(g pickle.Global) (DType, bool) {
	if g.Module != "torch" && g.Module != "torch.cuda" {
		return "", false
	}
	dtype, ok := storageTypes[g.Name]
	return dtype, ok
}

func isScriptClass(g pickle.Global) bool {
	return g.Module == "__torch__" || strings.HasPrefix(g.Module, "__torch__.") &&
		!strings.HasPrefix(g.Module, "__torch__.torch.classes") // C++ objects
}

func isScriptFunction(g pickle.Global) bool {
	return g.Module == "torch.jit._pickle" && slices.Contains(scriptFunctions, g.Name)
}

// Call rebuilds tensors and containers.
func (r *torchRules) Call(g pickle.Global, args pickle.Tuple) (any, error) {
	v, err := r.call(g, args)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", g, err)
	}
	return v, nil
}

func (r *torchRules) call(g pickle.Global, args pickle.Tuple) (any, error) {
	switch {
	case g == orderedDict:
		return rebuildDict(args)
	case isDict(g):
		return dictFrom(args)
	case isOpaque(g):
		return &torchOpaque{class: g}, nil
	case g == rebuildTensor || g == rebuildTensorV2:
		return rebuild(args)
	case g == rebuildParameter:
		if len(args) != 3 {
			return nil, fmt.Errorf("%d arguments, expected 3", len(args))
		}
		t, ok := args[0].(*torchTensor)
		if !ok {
			return nil, fmt.Errorf("%s, expected a tensor", pickle.Kind(args[0]))
		}
		return t, nil
	case g == torchSize && len(args) == 1:
		if t, ok := args[0].(pickle.Tuple); ok {
			return t, nil
		}
	case isScriptFunction(g) && len(args) > 0:
		return args[0], nil
	}
	return nil, fmt.Errorf("called with %d arguments", len(args))
}

// rebuildDict makes an OrderedDict: empty or, as Python 2 writes it, from a list of pairs.
func rebuildDict(args pickle.Tuple) (any, error) {
	dict := &pickle.Dict{}
	if len(args) == 0 {
		return dict, nil
	}
	pairs, ok := args[0].(*pickle.List)
	if !ok || len(args) != 1 {
		return nil, fmt.Errorf("called with %d arguments, expected none or a list", len(args))
	}
	for _, item := range pairs.Items {
		var pair []any
		switch v := item.(type) {
		case *pickle.List:
			pair = v.Items
		case pickle.Tuple:
			pair = v
		}
		if len(pair) != 2 {
			return nil, fmt.Errorf("%s in its list, expected pairs", pickle.Kind(item))
		}
		dict.Entries = append(dict.Entries, pickle.Entry{Key: pair[0], Value: pair[1]})
	}
	// The list was made for this call. Taking its items prevents a pickle from making any number of
	// dicts from one list.
	pairs.Items = nil
	return dict, nil
}

// rebuild makes a tensor from a storage, the index of its first number, its shape and its strides.
// Further arguments describe training and, since PyTorch 2, whether the tensor is negated or
// conjugated.
func rebuild(args pickle.Tuple) (any, error) {
	if len(args) < 4 || len(args) > 7 {
		return nil, fmt.Errorf("%d arguments, expected 4 to 7", len(args))
	}
	storage, ok1 := args[0].(*torchStorage)
	first, ok2 := args[1].(int64)
	shape, ok3 := ints(args[2])
	strides, ok4 := ints(args[3])
	if !ok1 || !ok2 || !ok3 || !ok4 || len(shape) != len(strides) {
		return nil, errors.New("expected a storage, an int, and two tuples of as many ints")
	}
	if len(args) == 7 {
		if flags, ok := args[6].(*pickle.Dict); args[6] != nil && (!ok || len(flags.Entries) != 0) {
			return nil, errors.New("negated and conjugated tensors are not supported")
		}
	}
	t := &torchTensor{storage, first, shape, strides}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("tensor of shape %v and strides %v from %d in storage %q: %w", shape, strides, first, storage.key, err)
	}
	return t, nil
}

// ints returns a tuple of ints as Go's.
func ints(v any) ([]int, bool) {
	t, ok := v.(pickle.Tuple)
	if !ok || len(t) > maxRank {
		return nil, false
	}
	out := make([]int, len(t))
	for i, item := range t {
		n, ok := item.(int64)
		if !ok || n > math.MaxInt {
			return nil, false
		}
		out[i] = int(n)
	}
	return out, true
}

// check requires that the tensor is within its storage, and that no two of its numbers share a
// place, except along dimensions of stride 0.
func (t *torchTensor) check() error {
	if _, err := byteLength(t.storage.dtype, t.shape); err != nil {
		return err
	}
	count := t.storage.count
	if t.first < 0 || t.first > count {
		return fmt.Errorf("outside the storage of %d", count)
	}
	if len(t.strides) > 0 && slices.Min(t.strides) < 0 {
		return errors.New("negative stride")
	}
	if slices.Contains(t.shape, 0) {
		return nil
	}
	// With strides in increasing order, reach is the distance from the first to the last number of
	// the dimensions so far.
	reach := int64(0)
	for _, i := range byStride(t.shape, t.strides) {
		steps, stride := int64(t.shape[i]-1), int64(t.strides[i])
		if stride > 0 && stride <= reach {
			return errors.New("its numbers overlap or interleave")
		}
		if stride != 0 && steps > (count-reach)/stride {
			return fmt.Errorf("outside the storage of %d", count)
		}
		reach += steps * stride
	}
	if t.first+reach >= count {
		return fmt.Errorf("outside the storage of %d", count)
	}
	return nil
}

// byStride returns the dimensions with more than one element, smallest stride first.
func byStride(shape, strides []int) []int {
	var dims []int
	for i, d := range shape {
		if d > 1 {
			dims = append(dims, i)
		}
	}
	slices.SortStableFunc(dims, func(a, b int) int { return cmp.Compare(strides[a], strides[b]) })
	return dims
}

// New makes an object of a TorchScript class, a dict, or an opaque object.
func (r *torchRules) New(g pickle.Global, args pickle.Tuple) (any, error) {
	switch {
	case isDict(g):
		return &pickle.Dict{}, nil
	case isOpaque(g):
		return &torchOpaque{class: g}, nil
	}
	if !r.script || !isScriptClass(g) || len(args) != 0 {
		return nil, fmt.Errorf("%q cannot be made from %d arguments", g, len(args))
	}
	return &torchModule{class: g}, nil
}

// Build sets the attributes of a TorchScript object. The state of an OrderedDict is bookkeeping of
// state dicts and is ignored, as is the state of opaque objects, except namespaces.
func (r *torchRules) Build(object, state any) error {
	if o, ok := object.(*torchOpaque); ok {
		if settings, ok := state.(*pickle.Dict); ok && isNamespace(o.class) {
			o.state = settings
		}
		return nil
	}
	dict, ok := state.(*pickle.Dict)
	if !ok {
		return fmt.Errorf("the state of %s is %s, expected a dict", pickle.Kind(object), pickle.Kind(state))
	}
	switch o := object.(type) {
	case *torchModule:
		o.attributes = dict
	case *pickle.Dict:
	default:
		return fmt.Errorf("%s cannot be given a state", pickle.Kind(object))
	}
	return nil
}

// Persistent returns the storage for an id: ("storage", class, key, device, count), in legacy files
// with a sixth element for views, which is None.
func (r *torchRules) Persistent(id any) (any, error) {
	t, _ := id.(pickle.Tuple)
	if len(t) == 6 && t[5] == nil {
		t = t[:5]
	}
	if len(t) != 5 || t[0] != "storage" {
		return nil, errors.New("expected the id of a storage of five parts")
	}
	class, ok1 := t[1].(pickle.Global)
	key, ok2 := t[2].(string)
	count, ok3 := t[4].(int64)
	if !ok1 || !ok2 || !ok3 {
		return nil, errors.New("expected a storage's class, key, device and count")
	}
	dtype, ok := storageType(class)
	if !ok {
		return nil, fmt.Errorf("%q is not a class of storages", class)
	}
	if count < 0 || count > maxBytes/int64(dtype.Size()) {
		return nil, fmt.Errorf("storage %q of %d numbers", key, count)
	}
	return r.storage(key, dtype, count)
}
