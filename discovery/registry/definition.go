package registry

import (
	"encoding/json"
	"maps"
	"net/netip"
	"reflect"
	"slices"
)

// serviceAddress is one of a service's TaggedAddresses.
type serviceAddress struct {
	Address string
	Port    int
}

// weights are a service's DNS weights: kept and told, not used.
type weights struct {
	Passing int
	Warning int
}

// definition is what a registration says of a service itself.
type definition struct {
	ID                string
	Name              string
	Tags              []string
	Address           string
	TaggedAddresses   map[string]serviceAddress
	Port              int
	SocketPath        string
	Meta              map[string]string
	Weights           *weights
	EnableTagOverride bool
}

// registration is the body of a registration. Field names that the real Consul takes and that mean nothing here are
// kept apart, to be refused where they are set.
type registration struct {
	definition
	EnableTagOverrideSnake bool                      `json:"enable_tag_override"`
	TaggedAddressesSnake   map[string]serviceAddress `json:"tagged_addresses"`
	Check                  *checkDefinition
	Checks                 []*checkDefinition
	Token                  string // ignored, as the token headers are

	Kind     string
	Proxy    json.RawMessage
	Connect  json.RawMessage
	Ports    json.RawMessage
	Locality json.RawMessage
}

// unsupported names the first field that is set and has no meaning here. To accept it in silence would be a lie.
func (reg *registration) unsupported() string {
	if reg.Kind != "" {
		return "Kind"
	}
	for _, field := range []struct {
		name  string
		value json.RawMessage
	}{{"Proxy", reg.Proxy}, {"Connect", reg.Connect}, {"Ports", reg.Ports}, {"Locality", reg.Locality}} {
		if !slices.Contains([]string{"", "null", "{}", "[]"}, string(field.value)) {
			return field.name
		}
	}
	return ""
}

// normalize gives a definition the form that it is stored, told and compared in.
func (d definition) normalize() definition {
	if d.ID == "" {
		d.ID = d.Name
	}
	if d.Tags == nil {
		d.Tags = []string{}
	}
	if len(d.Meta) == 0 {
		d.Meta = nil
	}
	if d.Weights == nil {
		d.Weights = &weights{Passing: 1, Warning: 1}
	}
	d.TaggedAddresses = d.taggedAddresses()
	return d
}

// taggedAddresses adds the entries that Consul derives from an address that is an IP.
func (d definition) taggedAddresses() map[string]serviceAddress {
	tagged := maps.Clone(d.TaggedAddresses)
	ip, err := netip.ParseAddr(d.Address)
	if err != nil {
		return tagged
	}
	if tagged == nil {
		tagged = map[string]serviceAddress{}
	}
	family := "_ipv6"
	if ip.Is4() {
		family = "_ipv4"
	}
	for _, scope := range []string{"lan", "wan"} {
		if _, ok := tagged[scope+family]; !ok {
			tagged[scope+family] = serviceAddress{Address: d.Address, Port: d.Port}
		}
	}
	return tagged
}

func (d definition) equal(other definition) bool { return reflect.DeepEqual(d, other) }
