package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pair is a key of a mapping and its value; aliases in the value are followed.
type pair struct{ key, value *yaml.Node }

// readTree parses the text and finds what makes a tree unsafe to walk; nil is an error that is reported.
func (r *report) readTree(data []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, rest yaml.Node
	if err := decoder.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		r.addSyntax(&doc, err)
		return nil
	}
	if err := decoder.Decode(&rest); err == nil {
		r.add(rest.Line, "", "a second document; a configuration is one")
		return nil
	} else if !errors.Is(err, io.EOF) {
		r.addSyntax(&doc, err)
		return nil
	}
	// Decoding to any finds keys that are there twice, aliases that contain themselves and those that explode.
	var anything any
	if err := doc.Decode(&anything); err != nil {
		r.addSyntax(&doc, err)
		return nil
	}
	if len(doc.Content) == 0 || resolve(doc.Content[0]).Kind != yaml.MappingNode {
		r.add(1, "", "is not a mapping with the key federate_configs")
		return nil
	}
	return resolve(doc.Content[0])
}

var (
	lineError      = regexp.MustCompile(`(?s)^(?:yaml: )?line (\d+): (.*)$`)
	duplicateError = regexp.MustCompile(`^mapping key "(.*)" already defined at line (\d+)$`)
)

// addSyntax reports an error of the yaml library, or the several that it found.
func (r *report) addSyntax(doc *yaml.Node, err error) {
	texts := []string{err.Error()}
	if e, ok := errors.AsType[*yaml.TypeError](err); ok {
		texts = e.Errors
	}
	for _, text := range texts {
		line, text := splitLine(text)
		path := ""
		if m := duplicateError.FindStringSubmatch(text); m != nil {
			path = pathAt(doc, line, m[1], "")
			text = "is in line " + m[2] + " already"
		}
		r.add(line, path, text)
	}
}

func splitLine(text string) (int, string) {
	m := lineError.FindStringSubmatch(text)
	if m == nil {
		return 1, strings.TrimPrefix(text, "yaml: ")
	}
	line, _ := strconv.Atoi(m[1])
	return max(line, 1), m[2]
}

// pathAt finds the path of the key in a line. It follows no alias, so that no tree is too much for it.
func pathAt(n *yaml.Node, line int, key, path string) string {
	if n.Kind == yaml.MappingNode {
		return pathInMapping(n, line, key, path)
	}
	for i, c := range n.Content {
		at := path
		if n.Kind == yaml.SequenceNode {
			at = index(path, i)
		}
		if found := pathAt(c, line, key, at); found != "" {
			return found
		}
	}
	return ""
}

func pathInMapping(n *yaml.Node, line int, key, path string) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Line == line && k.Value == key {
			return join(path, key)
		}
		if found := pathAt(n.Content[i+1], line, key, join(path, k.Value)); found != "" {
			return found
		}
	}
	return ""
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// pairs are the keys of a mapping, those merged with << after its own, which win.
func pairs(n *yaml.Node) []pair {
	var own, merged []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), resolve(n.Content[i+1])
		if key.Tag == "!!merge" {
			merged = append(merged, mergedPairs(value)...)
		} else {
			own = append(own, pair{key, value})
		}
	}
	for _, p := range merged {
		if !slices.ContainsFunc(own, func(o pair) bool { return o.key.Value == p.key.Value }) {
			own = append(own, p)
		}
	}
	return own
}

func mergedPairs(n *yaml.Node) []pair {
	if n.Kind != yaml.SequenceNode {
		return pairs(n)
	}
	var all []pair
	for _, c := range n.Content {
		all = append(all, pairs(resolve(c))...)
	}
	return all
}

// child is the value of a key, nil where it is not set; null is not set.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for _, p := range pairs(n) {
		if p.key.Value == key && !isNull(p.value) {
			return p.value
		}
	}
	return nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
