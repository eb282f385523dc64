package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fedscrape/fedscrape/discovery"
)

var (
	fileType     = reflect.TypeFor[file]()
	jobType      = reflect.TypeFor[Job]()
	settingsType = reflect.TypeFor[Settings]()

	// A group of static_configs reads other types than it has.
	groupType = reflect.TypeOf(discovery.Options{}.Static).Elem().Elem()
	groupKeys = reflect.TypeFor[struct {
		Targets []string          `yaml:"targets"`
		Labels  map[string]string `yaml:"labels"`
	}]()
)

// shape is the type whose keys a file has for t.
func shape(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == groupType {
		return groupKeys
	}
	return t
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// isText tells whether a struct is a single value in the file: a URL or a regular expression in a wrapper.
func isText(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		return true
	}
	return t.Kind() == reflect.Struct && t.NumField() == 1 && t.Field(0).Anonymous
}

// fields are the keys of a struct, those of inlined structs among them.
type fields struct {
	names []string
	types map[string]reflect.Type
	// rest is the type of any other key, where the struct inlines a map.
	rest reflect.Type
}

func fieldsOf(t reflect.Type) fields {
	f := fields{types: map[string]reflect.Type{}}
	f.add(t)
	return f
}

func (f *fields) add(t reflect.Type) {
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		inline := strings.Contains(options, "inline")
		switch {
		case !field.IsExported() || name == "-":
		case inline && field.Type.Kind() == reflect.Map:
			f.rest = field.Type.Elem()
		case inline:
			f.add(field.Type)
		default:
			f.addKey(name, field)
		}
	}
}

func (f *fields) addKey(name string, field reflect.StructField) {
	if name == "" {
		name = strings.ToLower(field.Name)
	}
	f.names = append(f.names, name)
	f.types[name] = field.Type
}

// of is the type of a key, nil where it is not known.
func (f *fields) of(key string) reflect.Type {
	if t, ok := f.types[key]; ok {
		return t
	}
	return f.rest
}

// checkKeys reports every key that is not known, and numbers that the yaml library would cut: 1.5 for a whole number.
func (r *report) checkKeys(n *yaml.Node, t reflect.Type, path string) {
	t = shape(t)
	switch {
	case n.Tag == "!!float" && t.Kind() == reflect.Int:
		r.add(n.Line, path, fmt.Sprintf("%q is not a whole number", n.Value))
	case isText(t):
		r.checkText(n, path)
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		r.checkStruct(n, t, path)
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Map:
		for _, p := range pairs(n) {
			r.checkKeys(p.value, t.Elem(), join(path, p.key.Value))
		}
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, c := range n.Content {
			r.checkKeys(resolve(c), t.Elem(), index(path, i))
		}
	}
}

// checkText keeps the yaml library from filling the wrapper of a regular expression as if it were a mapping, which
// would go round its anchors.
func (r *report) checkText(n *yaml.Node, path string) {
	if n.Kind != yaml.ScalarNode {
		r.add(n.Line, path, fmt.Sprintf("is %s, expected a text", found(n)))
	}
}

func (r *report) checkStruct(n *yaml.Node, t reflect.Type, path string) {
	known := fieldsOf(t)
	for _, p := range pairs(n) {
		key := p.key.Value
		if of := known.of(key); of != nil {
			r.checkKeys(p.value, of, join(path, key))
		} else {
			r.add(p.key.Line, join(path, key), "unknown key"+hint(key, t, known.names))
		}
	}
}

// notHere are keys of a Prometheus configuration that people bring along.
var notHere = map[string]string{
	"scrape_configs":   "a job here is an entry of federate_configs",
	"scrape_interval":  "Prometheus' own interval counts; sweep_interval is for when nobody asks",
	"honor_labels":     "Prometheus has it for the merged page",
	"honor_timestamps": "a merged page has no timestamps",
	"external_labels":  "Prometheus has them",
	"rule_files":       "Prometheus has them",
}

// hint says what a key may have been meant for.
func hint(key string, t reflect.Type, names []string) string {
	if text := notHere[key]; text != "" {
		return " (" + text + ")"
	}
	_, ofSettings := fieldsOf(settingsType).types[key]
	_, ofJob := fieldsOf(jobType).types[key]
	_, ofFile := fieldsOf(fileType).types[key]
	switch {
	case t != fileType && ofFile:
		return "; it belongs at the top of the file"
	case t == fileType && ofSettings:
		return "; it belongs in global or in a job of federate_configs"
	case (t == fileType || t == settingsType) && ofJob:
		return "; it belongs in a job of federate_configs"
	}
	if near := nearest(key, names); near != "" {
		return fmt.Sprintf(", did you mean %s?", near)
	}
	return ""
}

// nearest is the name with the fewest changed letters, if they are few.
func nearest(key string, names []string) string {
	best, least := "", max(2, len(key)/4)+1
	if len(key) > 64 || len(key) < 3 {
		return ""
	}
	for _, name := range names {
		if d := distance(key, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance counts the letters to change, add or take away.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
