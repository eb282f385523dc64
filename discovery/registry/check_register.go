package registry

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// checkRegistration is the body of agent/check/register: a check definition that calls its ID so.
type checkRegistration struct {
	ID    string
	Token string // ignored, as the token headers are
	checkDefinition
	// CheckID hides the definition's, which Consul does not know here.
	CheckID unknownField
}

// unknownField is a field that must not be there.
type unknownField struct{}

func (unknownField) UnmarshalJSON([]byte) error { return fmt.Errorf(`json: unknown field "CheckID"`) } //nolint:perfsprint // one form for such texts

// registerCheck adds a check to a service that is registered.
func (s *Server) registerCheck(r *http.Request, _ string) (*response, error) {
	reg := &checkRegistration{}
	if err := decodeBody(r, reg); err != nil {
		return nil, err
	}
	def := &reg.checkDefinition
	if def.Name == "" {
		return nil, fail(http.StatusBadRequest, "Missing check name")
	}
	if def.Status != "" && !validStatus(def.Status) {
		return nil, fail(http.StatusBadRequest, "Bad check status")
	}
	if err := def.validate(); err != nil {
		return nil, fail(http.StatusBadRequest, "Invalid check: %v", err)
	}
	if reg.ID == "" {
		reg.ID = def.Name
	}
	def.CheckID = reg.ID
	if def.ServiceID == "" {
		def.ServiceID = def.ServiceIDSnake
	}
	return &response{}, s.addCheck(def)
}

func (s *Server) addCheck(def *checkDefinition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	svc := s.state.services[def.ServiceID]
	if svc == nil && def.ServiceID != "" {
		return fail(http.StatusNotFound, "ServiceID %q does not exist", def.ServiceID)
	}
	if err := def.validateOwn(); err != nil {
		return err
	}
	if svc == nil {
		return fail(http.StatusBadRequest, "Invalid check: checks of the node do not exist in fedscrape's registry: set ServiceID, or use a real Consul")
	}
	c := newCheck(def.CheckID, def, svc, s.opts.ReapFloor)
	c.interval, c.timeout = time.Duration(def.Interval).String(), time.Duration(def.Timeout).String()
	if err := s.roomForChecks(svc, []*check{c}, false, 0); err != nil {
		return err
	}
	s.state.index++
	s.putChecks(svc, []*check{c})
	return nil
}

func (s *Server) deregisterCheck(_ *http.Request, id string) (*response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state.checks[id]
	if c == nil {
		return nil, unknownCheckID(id)
	}
	s.state.index++
	s.state.removeCheck(c)
	return &response{}, nil
}

func unknownCheckID(id string) error {
	return fail(http.StatusNotFound, "Unknown check ID %q. Ensure that the check ID is passed, not the check name.", id)
}

func unknownServiceID(id string) error {
	return fail(http.StatusNotFound, "Unknown service ID %q. Ensure that the service ID is passed, not the service name.", id)
}

// maintenancePrefix and a service's ID are the ID of the check that holds the service in maintenance.
const maintenancePrefix = "_service_maintenance:"

// serviceMaintenance adds or removes a critical check, as an operator wants.
func (s *Server) serviceMaintenance(r *http.Request, id string) (*response, error) {
	query := r.URL.Query()
	if id == "" {
		return nil, fail(http.StatusBadRequest, "Missing service ID")
	}
	if query.Get("enable") == "" {
		return nil, fail(http.StatusBadRequest, "Missing value for enable")
	}
	enable, err := strconv.ParseBool(query.Get("enable"))
	if err != nil {
		return nil, fail(http.StatusBadRequest, "Invalid value for enable: %q", query.Get("enable"))
	}
	return &response{}, s.maintain(id, enable, query.Get("reason"))
}

func (s *Server) maintain(id string, enable bool, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	svc := s.state.services[id]
	if svc == nil {
		return unknownServiceID(id)
	}
	c := s.state.checks[maintenancePrefix+id]
	if enable == (c != nil) {
		return nil
	}
	s.state.index++
	if !enable {
		s.state.removeCheck(c)
		return nil
	}
	if reason == "" {
		reason = "Maintenance mode is enabled for this service, but no reason was provided. This is a default message."
	}
	c = newCheck(maintenancePrefix+id, &checkDefinition{Name: "Service Maintenance Mode", Notes: truncateOutput(reason, maxOutput)}, svc, s.opts.ReapFloor)
	c.kind = maintenance
	s.putChecks(svc, []*check{c})
	return nil
}
