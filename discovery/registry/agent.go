package registry

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
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
	svc := &service{definition: reg.normalize(), size: size, checks: map[string]*check{}}
	checks := s.newChecks(svc, reg.allChecks())
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.room(svc, checks, replaceChecks); err != nil {
		return err
	}
	st := s.state
	st.index++
	if old := st.services[svc.ID]; old == nil || !old.equal(svc.definition) {
		st.put(svc)
	} else {
		st.bytes += size - old.size
		old.size, svc = size, old
	}
	s.putChecks(svc, checks)
	if replaceChecks {
		st.dropOtherChecks(svc, checks)
	}
	return nil
}

func (s *Server) newChecks(svc *service, definitions []*checkDefinition) []*check {
	var checks []*check
	for i, def := range definitions {
		checks = append(checks, newCheck(checkID(svc.ID, def, i, len(definitions)), def, svc, s.opts.ReapFloor))
	}
	return checks
}

// putChecks stores checks of a service that is stored, and has them ask. Who calls it holds mu.
func (s *Server) putChecks(svc *service, checks []*check) {
	now := time.Now()
	for _, c := range checks {
		c.service = svc
		s.state.putCheck(svc, c, now)
		s.startProbe(c)
	}
	s.wakeClock()
}

func (s *Server) deregisterService(_ *http.Request, id string) (*response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	svc := s.state.services[id]
	if svc == nil {
		return nil, unknownServiceID(id)
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
