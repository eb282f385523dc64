package config

import (
	"errors"
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// checkValues reports every value that its type does not take, at the deepest node that says so. It decodes each part
// by itself, because the yaml library stops at the first error of a type that decodes itself, and tells no path.
func (r *report) checkValues(n *yaml.Node, t reflect.Type, path string, line int) bool {
	err := n.Decode(reflect.New(t).Interface())
	if err == nil {
		return true
	}
	if r.checkParts(n, shape(t), path) {
		r.add(line, path, misfit(err, n, shape(t)))
	}
	return false
}

func (r *report) checkParts(n *yaml.Node, t reflect.Type, path string) bool {
	good := true
	switch {
	case isText(t):
	case n.Kind == yaml.MappingNode && (t.Kind() == reflect.Struct || t.Kind() == reflect.Map):
		for _, p := range pairs(n) {
			if of := elementOf(t, p.key.Value); of != nil {
				good = r.checkValues(p.value, of, join(path, p.key.Value), p.key.Line) && good
			}
		}
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, c := range n.Content {
			good = r.checkValues(resolve(c), t.Elem(), index(path, i), c.Line) && good
		}
	}
	return good
}

func elementOf(t reflect.Type, key string) reflect.Type {
	if t.Kind() == reflect.Map {
		return t.Elem()
	}
	known := fieldsOf(t)
	return known.of(key)
}

// misfit says what was expected. A text is shown only in the place of a number, where it is no secret.
func misfit(err error, n *yaml.Node, t reflect.Type) string {
	if _, ok := errors.AsType[*yaml.TypeError](err); !ok {
		return message(err)
	}
	want, number := expected(t)
	if number && n.Kind == yaml.ScalarNode {
		return fmt.Sprintf("%q is not %s", n.Value, want)
	}
	return fmt.Sprintf("is %s, expected %s", found(n), want)
}

func expected(t reflect.Type) (text string, number bool) {
	if isText(t) {
		return "a text", false
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false", true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number", true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number of at least 0", true
	case reflect.Slice, reflect.Array:
		return "a list", false
	case reflect.Struct, reflect.Map:
		return "a mapping", false
	default:
		return "a text", false
	}
}

func found(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		return "a mapping"
	}
	if n.Kind == yaml.SequenceNode {
		return "a list"
	}
	return "a single value"
}
