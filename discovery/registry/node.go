package registry

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
)

func compareStrings(a, b string) int { return cmp.Compare(a, b) }

// nodeJSON is a node as health and catalog tell it.
type nodeJSON struct {
	ID              string
	Node            string
	Address         string
	Datacenter      string
	TaggedAddresses map[string]string
	Meta            map[string]string
	CreateIndex     uint64
	ModifyIndex     uint64
}

// checkJSON is a check in every answer.
type checkJSON struct {
	Node        string
	CheckID     string
	Name        string
	Status      string
	Notes       string
	Output      string
	ServiceID   string
	ServiceName string
	ServiceTags []string
	Type        string
	Interval    string
	Timeout     string
	ExposedPort int
	Definition  struct{}
	CreateIndex uint64
	ModifyIndex uint64
}

func (c *check) json(node string) checkJSON {
	return checkJSON{
		Node: node, CheckID: c.id, Name: c.name, Status: c.status, Notes: c.notes, Output: c.catalogOutput,
		ServiceID: c.service.ID, ServiceName: c.service.Name, ServiceTags: c.service.Tags, Type: c.kind,
		Interval: c.interval, Timeout: c.timeout, CreateIndex: c.createIndex, ModifyIndex: c.modifyIndex,
	}
}

// nodeID is the same for the same node after a restart, as a real agent's is: it is part of what tells two
// registrations apart. It has the form of a UUID.
func nodeID(node string) string {
	sum := sha256.Sum256([]byte("fedscrape registry " + node))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func nodeMeta() map[string]string {
	return map[string]string{"consul-network-segment": "", "consul-version": Version}
}

func (s *Server) node() nodeJSON {
	tagged := map[string]string{}
	for _, scope := range []string{"lan", "wan"} {
		tagged[scope] = s.opts.Address
		if !strings.Contains(s.opts.Address, ":") {
			tagged[scope+"_ipv4"] = s.opts.Address
		}
	}
	return nodeJSON{
		ID: s.nodeID, Node: s.opts.Node, Address: s.opts.Address, Datacenter: s.opts.Datacenter,
		TaggedAddresses: tagged, Meta: nodeMeta(), CreateIndex: firstIndex, ModifyIndex: firstIndex,
	}
}

const nodeCheckID = "serfHealth"

// nodeCheck is the check that a real agent's node has from its gossip. This node is alive while it answers.
func (s *Server) nodeCheck() checkJSON {
	return checkJSON{
		Node: s.opts.Node, CheckID: nodeCheckID, Name: "Serf Health Status", Status: passing,
		Output: "Agent alive and reachable", ServiceTags: []string{}, CreateIndex: firstIndex, ModifyIndex: firstIndex,
	}
}

// nodeMatches tells whether the node has all the ?node-meta=key:value asked for.
func nodeMatches(r *http.Request) bool {
	for _, pair := range r.URL.Query()["node-meta"] {
		key, value, _ := strings.Cut(pair, ":")
		if have, ok := nodeMeta()[key]; !ok || have != value {
			return false
		}
	}
	return true
}
