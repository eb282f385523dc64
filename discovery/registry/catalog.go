package registry

import (
	"net/http"
	"slices"
)

// catalogServiceJSON is one entry of catalog/service: node and service in one flat object.
type catalogServiceJSON struct {
	ID              string
	Node            string
	Address         string
	Datacenter      string
	TaggedAddresses map[string]string
	NodeMeta        map[string]string

	ServiceKind              string
	ServiceID                string
	ServiceName              string
	ServiceTags              []string
	ServiceAddress           string
	ServiceTaggedAddresses   map[string]serviceAddress `json:",omitempty"`
	ServiceWeights           weights
	ServiceMeta              map[string]string
	ServicePort              int
	ServicePorts             []struct{}
	ServiceSocketPath        string
	ServiceEnableTagOverride bool
	ServiceProxy             proxyJSON
	ServiceConnect           struct{}
	ServiceLocality          *struct{}
	CreateIndex              uint64
	ModifyIndex              uint64
}

func catalogJSON(node nodeJSON, svc *service) catalogServiceJSON {
	meta := svc.Meta
	if meta == nil {
		meta = map[string]string{}
	}
	return catalogServiceJSON{
		ID: node.ID, Node: node.Node, Address: node.Address, Datacenter: node.Datacenter,
		TaggedAddresses: node.TaggedAddresses, NodeMeta: node.Meta,
		ServiceID: svc.ID, ServiceName: svc.Name, ServiceTags: svc.Tags, ServiceAddress: svc.Address,
		ServiceTaggedAddresses: svc.TaggedAddresses, ServiceWeights: *svc.Weights, ServiceMeta: meta, ServicePort: svc.Port,
		ServiceSocketPath: svc.SocketPath, ServiceEnableTagOverride: svc.EnableTagOverride,
		CreateIndex: svc.createIndex, ModifyIndex: svc.modifyIndex,
	}
}

// catalogServices tells the names of all services, with the tags of each.
func (s *Server) catalogServices(r *http.Request, _ string) (*response, error) {
	keep, err := parseFilter(r, catalogFields(catalogServiceJSON{}))
	if err != nil {
		return nil, err
	}
	node, here := s.node(), nodeMatches(r)
	return s.ask(r, query{
		topic: servicesTopic,
		index: func() uint64 { return s.state.servicesIndex },
		body: func() any {
			names := map[string][]string{}
			for _, svc := range s.state.sortedServices() {
				if here && keep(catalogFields(catalogJSON(node, svc))) {
					names[svc.Name] = addTags(names[svc.Name], svc.Tags)
				}
			}
			return names
		},
	})
}

// addTags never gives nil: a service without tags is [] in JSON.
func addTags(have, tags []string) []string {
	if have == nil {
		have = []string{}
	}
	for _, tag := range tags {
		if !slices.Contains(have, tag) {
			have = append(have, tag)
		}
	}
	return have
}

func (s *Server) catalogService(r *http.Request, name string) (*response, error) {
	if name == "" {
		return nil, fail(http.StatusBadRequest, "Missing service name")
	}
	keep, err := parseFilter(r, catalogFields(catalogServiceJSON{}))
	if err != nil {
		return nil, err
	}
	tags, node := r.URL.Query()["tag"], s.node()
	if !nodeMatches(r) {
		name = "" // no service has it: the answer is empty, and blocks
	}
	return s.ask(r, query{
		topic: catalogTopic + name,
		index: func() uint64 { return s.state.groupIndex(name) },
		body: func() any {
			entries := []catalogServiceJSON{}
			for _, svc := range s.state.groups[name].sorted() {
				if entry := catalogJSON(node, svc); hasTags(svc, tags) && keep(catalogFields(entry)) {
					entries = append(entries, entry)
				}
			}
			return entries
		},
	})
}

// catalogNodes tells the one node, which never changes.
func (s *Server) catalogNodes(r *http.Request, _ string) (*response, error) {
	keep, err := parseFilter(r, nodeFields(nodeJSON{}))
	if err != nil {
		return nil, err
	}
	node, here := s.node(), nodeMatches(r)
	return s.ask(r, query{
		topic: nobodyTopic,
		index: func() uint64 { return firstIndex },
		body: func() any {
			nodes := []nodeJSON{}
			if here && keep(nodeFields(node)) {
				nodes = append(nodes, node)
			}
			return nodes
		},
	})
}

// catalogNode tells a node and its services by ID.
func (s *Server) catalogNode(r *http.Request, name string) (*response, error) {
	return s.askNode(r, name, func(node *nodeJSON, services []serviceJSON) any {
		if node == nil {
			return absentNode
		}
		byID := map[string]serviceJSON{}
		for _, svc := range services {
			byID[svc.ID] = svc
		}
		return map[string]any{"Node": node, "Services": byID}
	})
}

// absentNode is what Consul answers for a node that does not exist: null.
var absentNode *struct{}

// catalogNodeServices tells a node and its services as a list.
func (s *Server) catalogNodeServices(r *http.Request, name string) (*response, error) {
	return s.askNode(r, name, func(node *nodeJSON, services []serviceJSON) any {
		return map[string]any{"Node": node, "Services": services}
	})
}

// absentNodeIndex is the index of a node that does not exist.
const absentNodeIndex = 1

func (s *Server) askNode(r *http.Request, name string, body func(*nodeJSON, []serviceJSON) any) (*response, error) {
	if name == "" {
		return nil, fail(http.StatusBadRequest, "Missing node name")
	}
	keep, err := parseFilter(r, serviceFields(serviceJSON{}))
	if err != nil {
		return nil, err
	}
	if name != s.opts.Node {
		return s.ask(r, query{
			topic: nobodyTopic,
			index: func() uint64 { return absentNodeIndex },
			body:  func() any { return body(nil, nil) },
		})
	}
	node := s.node()
	return s.ask(r, query{
		topic: servicesTopic,
		index: func() uint64 { return s.state.servicesIndex },
		body: func() any {
			services := []serviceJSON{}
			for _, svc := range s.state.sortedServices() {
				if told := svc.json(); keep(serviceFields(told)) {
					services = append(services, told)
				}
			}
			return body(&node, services)
		},
	})
}
