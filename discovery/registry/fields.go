package registry

import (
	"slices"
	"strconv"
	"strings"
)

// fields gives a filter the field of that name; nil: there is none. A field is a string, int, bool, []string,
// map[string]string, fields or fieldsList.
type fields func(name string) any

// fieldsList is a list of objects. zero is one without values, to check a selector where the list is empty.
type fieldsList struct {
	zero  fields
	items []fields
}

// resolve finds what a selector means, by an entry without values.
func resolve(value any, path []string) (any, bool) {
	if len(path) == 0 {
		return value, value != nil
	}
	switch value := value.(type) {
	case fields:
		return resolve(value(path[0]), path[1:])
	case fieldsList:
		return resolve(value.zero, path)
	case map[string]string:
		return "", len(path) == 1
	}
	return nil, false
}

// holds tells whether the comparison is true of a value. Of a list of objects, one that it is true of is enough.
func (m *comparison) holds(value any, path []string) bool {
	switch value := value.(type) {
	case fields:
		return m.holds(value(path[0]), path[1:])
	case fieldsList:
		return slices.ContainsFunc(value.items, func(item fields) bool { return m.holds(item, path) })
	case map[string]string:
		if len(path) > 0 {
			text, ok := value[path[0]]
			return (ok && m.holdsText(text)) != m.op.negated
		}
		_, ok := value[m.value]
		return m.holdsOf(len(value), ok)
	case []string:
		return m.holdsOf(len(value), slices.Contains(value, m.value))
	case string:
		return m.holdsText(value) != m.op.negated
	case int:
		want, _ := strconv.Atoi(m.value) // checked by check
		return (value == want) != m.op.negated
	case bool:
		want, _ := strconv.ParseBool(m.value) // checked by check
		return (value == want) != m.op.negated
	}
	return false
}

func (m *comparison) holdsOf(size int, contains bool) bool {
	if m.op.name == opEmpty {
		return (size == 0) != m.op.negated
	}
	return contains != m.op.negated
}

func (m *comparison) holdsText(text string) bool {
	switch m.op.name {
	case opEqual:
		return text == m.value
	case opMatches:
		return m.regexp.MatchString(text)
	}
	return strings.Contains(text, m.value)
}

// table makes fields of a list of names and values.
func table(pairs ...any) fields {
	return func(name string) any {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return nil
	}
}

func entryFields(e entryJSON) fields {
	checks := fieldsList{zero: checkFields(checkJSON{})}
	for _, c := range e.Checks {
		checks.items = append(checks.items, checkFields(c))
	}
	return table("Node", nodeFields(e.Node), "Service", serviceFields(e.Service), "Checks", checks)
}

func nodeFields(n nodeJSON) fields {
	return table("ID", n.ID, "Node", n.Node, "Address", n.Address, "Datacenter", n.Datacenter,
		"TaggedAddresses", n.TaggedAddresses, "Meta", n.Meta)
}

func serviceFields(s serviceJSON) fields {
	return table("ID", s.ID, "Service", s.Service, "Tags", s.Tags, "Address", s.Address, "Meta", s.Meta, "Port", s.Port,
		"SocketPath", s.SocketPath, "EnableTagOverride", s.EnableTagOverride, "Weights", weightsFields(s.Weights))
}

func agentFields(s agentServiceJSON) fields {
	return table("ID", s.ID, "Service", s.Service, "Tags", s.Tags, "Address", s.Address, "Meta", s.Meta, "Port", s.Port,
		"SocketPath", s.SocketPath, "EnableTagOverride", s.EnableTagOverride, "Weights", weightsFields(s.Weights))
}

func weightsFields(w weights) fields {
	return table("Passing", w.Passing, "Warning", w.Warning)
}

func checkFields(c checkJSON) fields {
	return table("Node", c.Node, "CheckID", c.CheckID, "Name", c.Name, "Status", c.Status, "Notes", c.Notes,
		"Output", c.Output, "ServiceID", c.ServiceID, "ServiceName", c.ServiceName, "ServiceTags", c.ServiceTags, "Type", c.Type,
		"Interval", c.Interval, "Timeout", c.Timeout, "ExposedPort", c.ExposedPort)
}

func catalogFields(e catalogServiceJSON) fields {
	return table("ID", e.ID, "Node", e.Node, "Address", e.Address, "Datacenter", e.Datacenter,
		"TaggedAddresses", e.TaggedAddresses, "NodeMeta", e.NodeMeta,
		"ServiceID", e.ServiceID, "ServiceName", e.ServiceName, "ServiceTags", e.ServiceTags, "ServiceAddress", e.ServiceAddress,
		"ServiceMeta", e.ServiceMeta, "ServicePort", e.ServicePort, "ServiceEnableTagOverride", e.ServiceEnableTagOverride,
		"ServiceWeights", weightsFields(e.ServiceWeights))
}
