package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Error is one thing wrong in the file.
type Error struct {
	File    string
	Line    int
	Path    string // federate_configs[0].gauge_modes[1].mode; empty where the text is no YAML
	Message string
}

func (e Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Path, e.Message)
}

// Errors are all that is wrong, by line.
type Errors []Error

// Error gives one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// report collects errors.
type report struct {
	file  string
	found Errors
}

func (r *report) add(line int, path, message string) {
	// What is wrong in global would come once for each job that inherits it; and of what two packages find at one
	// place, one is enough to mend.
	same := func(e Error) bool { return e.Line == line && e.Path == path }
	if !slices.ContainsFunc(r.found, same) {
		r.found = append(r.found, Error{r.file, line, path, message})
	}
}

func (r *report) errors() error {
	slices.SortStableFunc(r.found, func(a, b Error) int { return cmp.Compare(a.Line, b.Line) })
	return r.found
}

// keyed is how a Validate says what its error is about: "departed_limit: ..." or "gauge_modes[1].mode: ...".
var keyed = regexp.MustCompile(`(?s)^([a-z0-9_]+)(?:\[(\d+)\])?(?:: |\.)(.*)$`)

// locate finds the lines of the errors that a Validate joined.
func (r *report) locate(whole inherited, t reflect.Type, path string, err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			r.locate(whole, t, path, e)
		}
		return
	}
	p := place{node: whole.node, line: whole.node.Line, t: t, path: path, text: message(err)}
	if key := p.about(); whole.from[key] {
		p.path = "global"
	}
	for p.descend() {
	}
	p.mention()
	r.add(p.line, p.path, p.text)
}

// place is a point in the tree, and what is left to say about it.
type place struct {
	node *yaml.Node // nil where the file does not have it
	line int
	t    reflect.Type
	path string
	text string
}

// about is the key that the text is about: the one it begins with, else the first that it names.
func (p *place) about() string {
	if m := keyed.FindStringSubmatch(p.text); m != nil && p.field(m[1]) != nil {
		return m[1]
	}
	return p.mentioned()
}

func (p *place) field(key string) reflect.Type {
	if p.t == nil || p.t.Kind() != reflect.Struct {
		return nil
	}
	return fieldsOf(p.t).types[key]
}

// descend takes the key that the text begins with into the path.
func (p *place) descend() bool {
	m := keyed.FindStringSubmatch(p.text)
	if m == nil || p.field(m[1]) == nil {
		return false
	}
	p.enter(m[1])
	if m[2] != "" {
		i, _ := strconv.Atoi(m[2])
		p.enterIndex(i)
	}
	p.text = m[3]
	return true
}

func (p *place) enter(key string) {
	p.t, p.path = shape(p.field(key)), join(p.path, key)
	p.step(func(n *yaml.Node) (*yaml.Node, int) {
		for _, q := range mappingPairs(n) {
			if q.key.Value == key {
				return q.value, q.key.Line
			}
		}
		return nil, 0
	})
}

func (p *place) enterIndex(i int) {
	p.path = index(p.path, i)
	if p.t.Kind() == reflect.Slice {
		p.t = shape(p.t.Elem())
	}
	p.step(func(n *yaml.Node) (*yaml.Node, int) {
		if n.Kind != yaml.SequenceNode || i >= len(n.Content) {
			return nil, 0
		}
		return resolve(n.Content[i]), n.Content[i].Line
	})
}

// step goes on to a node; where the file has none, the line stays that of the last one it has.
func (p *place) step(find func(*yaml.Node) (*yaml.Node, int)) {
	if p.node == nil {
		return
	}
	node, line := find(p.node)
	p.node = node
	if node != nil {
		p.line = line
	}
}

var word = regexp.MustCompile(`[a-z0-9_]+`)

// mentioned is the first word of the text that is a key there: "at most one of basic_auth, oauth2 & ...".
func (p *place) mentioned() string {
	for _, w := range word.FindAllString(p.text, -1) {
		if p.field(w) != nil && child(p.node, w) != nil {
			return w
		}
	}
	return ""
}

func (p *place) mention() {
	if key := p.mentioned(); key != "" {
		p.enter(key)
	}
}

func mappingPairs(n *yaml.Node) []pair {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	return pairs(n)
}

// message is an error's text for a person. A URL may hold a password, so it is not shown.
func message(err error) string {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return "is not a valid URL"
	}
	return strings.TrimPrefix(err.Error(), "yaml: ")
}
