package registry

import (
	"net/http"
	"slices"
)

// serviceJSON is a service as health and catalog/node tell it.
type serviceJSON struct {
	ID                string
	Service           string
	Tags              []string
	Address           string
	TaggedAddresses   map[string]serviceAddress `json:",omitempty"`
	Meta              map[string]string
	Port              int    `json:",omitempty"`
	SocketPath        string `json:",omitempty"`
	Weights           weights
	EnableTagOverride bool
	Proxy             proxyJSON
	Connect           struct{}
	PeerName          string
	CreateIndex       uint64
	ModifyIndex       uint64
}

// proxyJSON is there because Consul always tells it.
type proxyJSON struct {
	Mode        string
	MeshGateway struct{}
	Expose      struct{}
}

// entryJSON is one entry of health/service.
type entryJSON struct {
	Node    nodeJSON
	Service serviceJSON
	Checks  []checkJSON
}

func (svc *service) json() serviceJSON {
	return serviceJSON{
		ID: svc.ID, Service: svc.Name, Tags: svc.Tags, Address: svc.Address, TaggedAddresses: svc.TaggedAddresses,
		Meta: svc.Meta, Port: svc.Port, SocketPath: svc.SocketPath, Weights: *svc.Weights, EnableTagOverride: svc.EnableTagOverride,
		CreateIndex: svc.createIndex, ModifyIndex: svc.modifyIndex,
	}
}

func (s *Server) healthService(r *http.Request, name string) (*response, error) {
	if name == "" {
		return nil, fail(http.StatusBadRequest, "Missing service name")
	}
	onlyPassing, err := passingOnly(r)
	if err != nil {
		return nil, err
	}
	keep, err := parseFilter(r, entryFields(entryJSON{}))
	if err != nil {
		return nil, err
	}
	tags, node := r.URL.Query()["tag"], s.node()
	if !nodeMatches(r) {
		name = "" // no service has it: the answer is empty, and blocks
	}
	return s.ask(r, query{
		topic: healthTopic + name,
		index: func() uint64 { return s.state.groupIndex(name) },
		body: func() any {
			entries := []entryJSON{}
			for _, svc := range s.state.groups[name].sorted() {
				entry := entryJSON{Node: node, Service: svc.json(), Checks: s.checksOf(svc)}
				if hasTags(svc, tags) && (!onlyPassing || allPassing(entry.Checks)) && keep(entryFields(entry)) {
					entries = append(entries, entry)
				}
			}
			return entries
		},
	})
}

func (s *Server) checksOf(svc *service) []checkJSON {
	checks := []checkJSON{s.nodeCheck()}
	for _, c := range svc.sortedChecks() {
		checks = append(checks, c.json(s.opts.Node))
	}
	return checks
}

func hasTags(svc *service, tags []string) bool {
	for _, tag := range tags {
		if !slices.Contains(svc.Tags, tag) {
			return false
		}
	}
	return true
}

func allPassing(checks []checkJSON) bool {
	return !slices.ContainsFunc(checks, func(c checkJSON) bool { return c.Status != passing })
}

func (s *Server) healthNode(r *http.Request, name string) (*response, error) {
	if name == "" {
		return nil, fail(http.StatusBadRequest, "Missing node name")
	}
	keep, err := parseFilter(r, checkFields(checkJSON{}))
	if err != nil {
		return nil, err
	}
	return s.ask(r, query{
		topic: checksTopic,
		index: func() uint64 { return s.state.checksIndex },
		body: func() any {
			checks := []checkJSON{}
			if name != s.opts.Node {
				return checks
			}
			return append(checks, slices.DeleteFunc(s.allChecks(), func(c checkJSON) bool { return !keep(checkFields(c)) })...)
		},
	})
}
