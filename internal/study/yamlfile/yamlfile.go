package yamlfile

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Read reads a file into what to points to. Errors name the file, and the line where there is one.
func Read(path string, to any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return Decode(path, text, to)
}

// Decode is Read for the text of a file.
func Decode(name string, text []byte, to any) error {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return fmt.Errorf("%s: %s", name, message(err))
	}
	var documents []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil {
			documents = append(documents, d.Body)
		}
	}
	if len(documents) != 1 {
		return fmt.Errorf("%s: %d documents, expected one", name, len(documents))
	}
	r := reader{name}
	return r.read(documents[0], reflect.ValueOf(to).Elem(), "the file")
}

// message is the parser's error with the line, without the excerpt that the parser adds.
func message(err error) string {
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("line %d: %s", syntax.GetToken().Position.Line, syntax.GetMessage())
	}
	return err.Error()
}

type reader struct{ name string }

// errorf is an error with the file's name and the line.
func (r reader) errorf(n ast.Node, format string, args ...any) error {
	return fmt.Errorf("%s: line %d: %w", r.name, n.GetToken().Position.Line, fmt.Errorf(format, args...))
}

// read fills v, which errors call what.
func (r reader) read(n ast.Node, v reflect.Value, what string) error {
	if a, ok := n.(*ast.AnchorNode); ok {
		return r.errorf(n, "%s: the anchor %s is not supported, expected the value itself", what, a.Name)
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return r.read(n, v.Elem(), what)
	}
	entries, isMapping := mapping(n)
	switch {
	case isMapping && v.Kind() == reflect.Struct:
		return r.fields(entries, v, what)
	case isMapping && v.Kind() == reflect.Slice && keyField(v.Type().Elem()) >= 0:
		return r.named(entries, v)
	case isMapping && v.Kind() == reflect.Map:
		return r.leaf(n, v, what)
	case isMapping:
		return r.errorf(n, "%s: got a mapping, expected %s", what, expected(v.Type()))
	}
	if list, ok := n.(*ast.SequenceNode); ok && v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
		for i, item := range list.Values {
			if err := r.read(item, v.Index(i), what); err != nil {
				return err
			}
		}
		return nil
	}
	return r.leaf(n, v, what)
}

// mapping gives the entries of a mapping.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

// keyField is the index of the field for the key of an entry, -1 if a type has none.
func keyField(t reflect.Type) int {
	if t.Kind() != reflect.Struct {
		return -1
	}
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == "key" {
			return i
		}
	}
	return -1
}

// named reads a mapping into a slice of structs.
func (r reader) named(entries []*ast.MappingValueNode, v reflect.Value) error {
	v.Set(reflect.MakeSlice(v.Type(), len(entries), len(entries)))
	for i, e := range entries {
		key := e.Key.GetToken().Value
		if err := r.read(e.Value, v.Index(i), key); err != nil {
			return err
		}
		v.Index(i).Field(keyField(v.Type().Elem())).SetString(key)
	}
	return nil
}

// fields reads a mapping into a struct.
func (r reader) fields(entries []*ast.MappingValueNode, v reflect.Value, what string) error {
	names, places := fieldsOf(v.Type())
	for _, e := range entries {
		given := e.Key.GetToken().Value
		key := strings.ReplaceAll(given, "-", "_")
		at, ok := places[key]
		if turnOn := oldFlag(v, key); !ok && turnOn != nil {
			on := false
			if err := r.read(e.Value, reflect.ValueOf(&on).Elem(), given); err != nil {
				return err
			}
			if on {
				turnOn()
			}
			continue
		}
		if !ok {
			return r.errorf(e.Key, "unknown key %q in %s: expected one of %s", given, what, strings.Join(names, ", "))
		}
		if err := r.read(e.Value, v.FieldByIndex(at), given); err != nil {
			return err
		}
	}
	return nil
}

// oldFlag turns on a flag that earlier versions of a struct had under this key; nil without one.
// Structs with such flags have a method OldFlag.
func oldFlag(v reflect.Value, key string) func() {
	if !v.CanAddr() {
		return nil
	}
	if old, ok := v.Addr().Interface().(interface{ OldFlag(key string) func() }); ok {
		return old.OldFlag(key)
	}
	return nil
}

// fieldsOf lists the keys of a struct in its order, and the fields they are stored in.
func fieldsOf(t reflect.Type) (names []string, places map[string][]int) {
	places = map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		names, places[name] = append(names, name), f.Index
	}
	return names, places
}

var duration = reflect.TypeFor[time.Duration]()

// leaf reads a scalar, or a list or mapping for a type that JSON can fill.
func (r reader) leaf(n ast.Node, v reflect.Value, what string) error {
	var value any
	if err := yaml.NodeToValue(n, &value); err != nil {
		return r.errorf(n, "%s: %s", what, message(err))
	}
	text := n.GetToken().Value
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if _, isText := value.(string); !isText {
			return r.errorf(n, "%s: got %s, expected %s", what, text, expected(v.Type()))
		}
		if err := u.UnmarshalText([]byte(value.(string))); err != nil {
			return r.errorf(n, "%s: %w", what, err)
		}
		return nil
	}
	if v.Type() == duration {
		d, err := time.ParseDuration(text)
		if err != nil {
			return r.errorf(n, "%s: got %q, expected a time such as 90m", what, text)
		}
		v.SetInt(int64(d))
		return nil
	}
	if v.Kind() == reflect.String {
		switch value.(type) {
		case string:
		case int, int64, uint64, float64, bool: // 90 is a valid name
			value = text
		}
	}
	// The parser reads numbers such as 1e-3 as text.
	if given, ok := value.(string); ok && v.Kind() == reflect.Float64 {
		if number, err := strconv.ParseFloat(given, 64); err == nil {
			value = number
		}
	}
	encoded, err := json.Marshal(value)
	if err == nil && value != nil {
		err = json.Unmarshal(encoded, v.Addr().Interface())
	}
	if err != nil || value == nil {
		if _, list := n.(*ast.SequenceNode); list {
			text = "a list"
		}
		return r.errorf(n, "%s: got %s, expected %s", what, text, expected(v.Type()))
	}
	return nil
}

// expected describes the values of a type.
func expected(t reflect.Type) string {
	if t == duration {
		return "a time such as 90m"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint64:
		return "a whole number of at least 0"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		if keyField(t.Elem()) >= 0 {
			return "a mapping"
		}
		return "a list"
	case reflect.Struct, reflect.Map:
		return "a mapping"
	}
	return t.String()
}
