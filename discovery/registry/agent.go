package registry

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"time"
)

// agentServiceJSON is a service as the agent tells it; health and catalog have forms of their own.
type agentServiceJSON struct {
	ID                string
	Service           string
	Tags              []string
	Meta              map[string]string
	Port              int
	Address           string
	SocketPath        string                    `json:",omitempty"`
	TaggedAddresses   map[string]serviceAddress `json:",omitempty"`
	Weights           weights
	EnableTagOverride bool
	ContentHash       string `json:",omitempty"`
	Datacenter        string
}

func (s *Server) registerService(r *http.Request, _ string) (*response, error) {
	reg := &registration{}
	body := &countingBody{ReadCloser: r.Body}
	r.Body = body
	if err := decodeBody(r, reg); err != nil {
		return nil, err
	}
	if err := reg.validate(); err != nil {
		return nil, err
	}
	reg.EnableTagOverride = reg.EnableTagOverride || reg.EnableTagOverrideSnake
	if reg.TaggedAddresses == nil {
		reg.TaggedAddresses = reg.TaggedAddressesSnake
	}
	values, given := r.URL.Query()["replace-existing-checks"]
	replace := given && (values[0] == "" || values[0] == "true")
	return &response{}, s.register(reg, body.size, replace)
}

// register stores a registration. All of it is one change: who waits for the service is woken once, and an identical
// registration wakes nobody.
func (s *Server) register(reg *registration, size int64, replaceChecks bool) error {
	now := time.Now()
	svc := &service{definition: reg.normalize(), size: size, checks: map[string]*check{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	old := st.services[svc.ID]
	if err := s.room(old, size); err != nil {
		return err
	}
	if len(newChecks(old, svc.ID, reg)) > maxChecksPerService && !replaceChecks {
		return fail(http.StatusBadRequest, "Invalid check: more than %d checks for one service, with those it has; use ?replace-existing-checks", maxChecksPerService)
	}
	st.index++
	if old == nil || !old.equal(svc.definition) {
		st.put(svc)
	} else {
		svc = old
	}
	keep := map[string]bool{}
	for i, def := range reg.allChecks() {
		id := checkID(svc.ID, def, i, len(reg.allChecks()))
		keep[id] = true
		st.putCheck(svc, newCheck(id, def, svc, s.opts.ReapFloor), now)
	}
	if replaceChecks {
		st.dropOtherChecks(svc, keep)
	}
	s.wakeClock()
	return nil
}

// newChecks is the IDs that the service will have when the registration adds its checks to those that are there.
func newChecks(old *service, serviceID string, reg *registration) map[string]bool {
	ids := map[string]bool{}
	for i, def := range reg.allChecks() {
		ids[checkID(serviceID, def, i, len(reg.allChecks()))] = true
	}
	if old != nil {
		for id := range old.checks {
			ids[id] = true
		}
	}
	return ids
}

// room refuses what would not fit. What is registered can always be registered again.
func (s *Server) room(old *service, size int64) error {
	st := s.state
	if old == nil && len(st.services) >= s.opts.MaxServices {
		return fail(http.StatusTooManyRequests, "registry full: %d services, the limit is %d: deregister some", len(st.services), s.opts.MaxServices)
	}
	total := st.bytes + size
	if old != nil {
		total -= old.size
	}
	if total > s.opts.MaxBytes && (old == nil || size > old.size) {
		return fail(http.StatusTooManyRequests, "registry full: registrations of %d bytes, the limit is %d: deregister some", st.bytes, s.opts.MaxBytes)
	}
	return nil
}

func (s *Server) deregisterService(_ *http.Request, id string) (*response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	svc := s.state.services[id]
	if svc == nil {
		return nil, fail(http.StatusNotFound, "Unknown service ID %q. Ensure that the service ID is passed, not the service name.", id)
	}
	s.state.index++
	s.state.remove(svc)
	return &response{}, nil
}

func (s *Server) agentServices(r *http.Request, _ string) (*response, error) {
	keep, err := parseFilter(r, agentFields(agentServiceJSON{}))
	if err != nil {
		return nil, err
	}
	services := map[string]agentServiceJSON{}
	for _, svc := range s.servicesNow() {
		if told := s.agentJSON(svc); keep(agentFields(told)) {
			services[svc.ID] = told
		}
	}
	return &response{body: services}, nil
}

func (s *Server) servicesNow() []*service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.sortedServices()
}

func (s *Server) agentService(_ *http.Request, id string) (*response, error) {
	s.mu.Lock()
	svc := s.state.services[id]
	s.mu.Unlock()
	if svc == nil {
		return nil, fail(http.StatusNotFound, "unknown service ID: %s", id)
	}
	told := s.agentJSON(svc)
	told.ContentHash = contentHash(told)
	return &response{body: told, hash: told.ContentHash}, nil
}

func (s *Server) agentJSON(svc *service) agentServiceJSON {
	meta := svc.Meta
	if meta == nil {
		meta = map[string]string{}
	}
	return agentServiceJSON{
		ID: svc.ID, Service: svc.Name, Tags: svc.Tags, Meta: meta, Port: svc.Port, Address: svc.Address,
		SocketPath: svc.SocketPath, TaggedAddresses: svc.TaggedAddresses, Weights: *svc.Weights,
		EnableTagOverride: svc.EnableTagOverride, Datacenter: s.opts.Datacenter,
	}
}

func contentHash(told agentServiceJSON) string {
	text, err := json.Marshal(told)
	if err != nil {
		panic(fmt.Sprintf("BUG: encode a service: %v", err))
	}
	hash := fnv.New64a()
	_, _ = hash.Write(text) // never fails
	return fmt.Sprintf("%016x", hash.Sum64())
}

func (s *Server) agentChecks(r *http.Request, _ string) (*response, error) {
	keep, err := parseFilter(r, checkFields(checkJSON{}))
	if err != nil {
		return nil, err
	}
	checks := map[string]checkJSON{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.state.checks {
		told := c.json(s.opts.Node)
		told.Output, told.CreateIndex, told.ModifyIndex = c.output, 0, 0
		if keep(checkFields(told)) {
			checks[id] = told
		}
	}
	return &response{body: checks}, nil
}

func (s *Server) agentSelf(*http.Request, string) (*response, error) {
	s.mu.Lock()
	services, checks := len(s.state.services), len(s.state.checks)
	s.mu.Unlock()
	type object = map[string]any
	return &response{body: object{
		"Config": object{
			"Datacenter": s.opts.Datacenter, "PrimaryDatacenter": s.opts.Datacenter, "NodeName": s.opts.Node, "NodeID": s.nodeID,
			"Revision": "", "Server": true, "Version": Version, "VersionMetadata": "fedscrape",
		},
		"DebugConfig": object{},
		"Member": object{
			"Name": s.opts.Node, "Addr": s.opts.Address, "Port": 0, "Status": 1,
			"Tags": object{"dc": s.opts.Datacenter, "role": "consul", "id": s.nodeID, "build": Version + ":fedscrape"},
		},
		"Stats": object{"agent": object{"services": strconv.Itoa(services), "checks": strconv.Itoa(checks)}},
		"Meta":  nodeMeta(),
	}}, nil
}

// leader is the address of the one server that there is. Nothing listens there: clients only ask whether there is one.
func (s *Server) leader(*http.Request, string) (*response, error) {
	return &response{body: s.opts.Address + ":8300"}, nil
}
