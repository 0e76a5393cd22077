package weights

import (
	"fmt"
	"slices"
	"strings"

	"github.com/declip/declip/internal/nn/weights/pickle"
)

// torchOpaque is data that checkpoints hold next to their tensors and of which only the class is
// known: nothing of it is computed.
type torchOpaque struct {
	class pickle.Global
	state *pickle.Dict // of a namespace; see namespaceKeys
}

// namespaceKeys are the settings in argparse's namespaces that become metadata: a network may
// depend on them.
var namespaceKeys = []string{"lora_rank", "lora_alpha"}

// isNamespace says whether g is a class whose state is a dict of settings.
func isNamespace(g pickle.Global) bool {
	return g.Module == "argparse" && g.Name == "Namespace" || g.Module == "types" && g.Name == "SimpleNamespace"
}

// opaqueNames are classes and functions by module. Their values are opaque. None of them holds
// weights of a network.
var opaqueNames = map[string][]string{
	"numpy":                  {"dtype", "ndarray"},
	"numpy.core.multiarray":  {"scalar", "_reconstruct"},
	"numpy._core.multiarray": {"scalar", "_reconstruct"}, // since NumPy 2
	"numpy.core.numeric":     {"_frombuffer"},            // arrays in protocol 5
	"numpy._core.numeric":    {"_frombuffer"},
	"_codecs":                {"encode"}, // bytes in protocol 2
	"argparse":               {"Namespace"},
	"types":                  {"SimpleNamespace"},
	"datetime":               {"date", "datetime", "time", "timedelta", "timezone"},
	"pathlib":                {"Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath"},
	"builtins":               builtinNames,
	"__builtin__":            builtinNames, // in protocol 2
	"torch": {
		"device", "bfloat16", "bool", "float16", "float32", "float64", "half", "float", "double",
		"uint8", "int8", "int16", "int32", "int64", "int", "long",
	},
}

var builtinNames = []string{
	"bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "set", "slice", "str", "tuple",
}

// isOpaque reports whether values of g are opaque. NumPy has a class for each type of number in
// numpy.dtypes.
func isOpaque(g pickle.Global) bool {
	return slices.Contains(opaqueNames[g.Module], g.Name) ||
		g.Module == "numpy.dtypes" && strings.HasSuffix(g.Name, "DType")
}

// isDict reports whether g is a class of dicts whose entries follow, like those of a plain dict.
func isDict(g pickle.Global) bool {
	switch g.Module + "." + g.Name {
	case "collections.defaultdict", "collections.Counter", "easydict.EasyDict", "yacs.config.CfgNode":
		return true
	}
	return false
}

// dictFrom makes a dict of the arguments of its class: none, the dict itself, or what a defaultdict
// calls for missing entries.
func dictFrom(args pickle.Tuple) (any, error) {
	switch len(args) {
	case 0:
		return &pickle.Dict{}, nil
	case 1:
		switch v := args[0].(type) {
		case *pickle.Dict:
			return v, nil
		case nil, pickle.Global:
			return &pickle.Dict{}, nil
		}
	}
	return nil, fmt.Errorf("called with %d arguments, expected none or a dict", len(args))
}
