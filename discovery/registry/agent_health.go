package registry

import (
	"net/http"
	"slices"
)

// agentHealthJSON is one service in agent/health.
type agentHealthJSON struct {
	AggregatedStatus string
	Service          *agentServiceJSON
	Checks           []agentCheckJSON
}

// agentCheckJSON is a check as agent/health tells it.
type agentCheckJSON struct {
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
	ExposedPort int
	Definition  agentCheckDefinition
	CreateIndex uint64
	ModifyIndex uint64
}

// agentCheckDefinition is there because Consul always tells it, and always empty.
type agentCheckDefinition struct {
	Interval                       string
	Timeout                        string
	DeregisterCriticalServiceAfter string
	HTTP                           string
	Header                         map[string][]string
	Method                         string
	Body                           string
	TLSServerName                  string
	TLSSkipVerify                  bool
	TCP                            string
	TCPUseTLS                      bool
	UDP                            string
	GRPC                           string
	OSService                      string
	GRPCUseTLS                     bool
}

func (s *Server) agentHealthByID(r *http.Request, id string) (*response, error) {
	if id == "" {
		return nil, fail(http.StatusInternalServerError, "Missing serviceID")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	svc := s.state.services[id]
	if svc == nil {
		return response{status: http.StatusNotFound, body: agentHealthJSON{AggregatedStatus: critical}}.orText(r, "ServiceId "+id+" not found"), nil
	}
	told := s.agentHealth(svc)
	return response{status: statusCode(told.AggregatedStatus), body: told}.orText(r, told.AggregatedStatus), nil
}

// agentHealthByName tells all services of a name; its status is the worst one's.
func (s *Server) agentHealthByName(r *http.Request, name string) (*response, error) {
	if name == "" {
		return nil, fail(http.StatusInternalServerError, "Missing service Name")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []agentHealthJSON{}
	var statuses []string
	for _, svc := range s.state.groups[name].sorted() {
		told := s.agentHealth(svc)
		all, statuses = append(all, told), append(statuses, told.AggregatedStatus)
	}
	if len(all) == 0 {
		return response{status: http.StatusNotFound, body: all}.orText(r, "ServiceName "+name+" Not Found"), nil
	}
	worst := worstOf(statuses)
	return response{status: statusCode(worst), body: all}.orText(r, worst), nil
}

func (s *Server) agentHealth(svc *service) agentHealthJSON {
	service := s.agentJSON(svc)
	told := agentHealthJSON{Service: &service, Checks: []agentCheckJSON{}}
	var statuses []string
	for _, c := range svc.sortedChecks() {
		told.Checks = append(told.Checks, c.agentJSON(s.opts.Node))
		if statuses = append(statuses, c.status); c.kind == maintenance {
			statuses = append(statuses, maintenance)
		}
	}
	told.AggregatedStatus = worstOf(statuses)
	return told
}

func (c *check) agentJSON(node string) agentCheckJSON {
	told := agentCheckJSON{
		Node: node, CheckID: c.id, Name: c.name, Status: c.status, Notes: c.notes, Output: c.output,
		ServiceID: c.service.ID, ServiceName: c.service.Name,
		Definition: agentCheckDefinition{Interval: "0s", Timeout: "0s", DeregisterCriticalServiceAfter: "0s"},
	}
	if len(c.service.Tags) > 0 {
		told.ServiceTags = c.service.Tags
	}
	return told
}

// maintenance is both the kind of an operator's check and the status that it leads to.
const maintenance = "maintenance"

func worstOf(statuses []string) string {
	for _, status := range []string{maintenance, critical, warning} {
		if slices.Contains(statuses, status) {
			return status
		}
	}
	return passing
}

// statusCode lets load balancers read the health without JSON.
func statusCode(status string) int {
	switch status {
	case passing:
		return http.StatusOK
	case warning:
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}
