// Package yamlfile reads settings from YAML strictly.
//
// An unknown key, a value of the wrong type or a repeated key is an error that names the file and
// the line, so that a mistyped option does not silently mean its default.
//
// The type of the destination says what is allowed. A mapping fills a struct by its JSON names
// (with - or _), or a slice of structs in the file's order, with the key in the field tagged
// `yaml:"key"`. A scalar also fills a type with UnmarshalText. A time.Duration is text such as 90m.
package yamlfile
