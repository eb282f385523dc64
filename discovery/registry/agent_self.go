package registry

import (
	"net/http"
	"strconv"
)

// memberJSON is a member of the gossip pool; there is one, and no gossip.
type memberJSON struct {
	Name        string
	Addr        string
	Port        int
	Tags        map[string]string
	Status      int
	ProtocolMin int
	ProtocolMax int
	ProtocolCur int
	DelegateMin int
	DelegateMax int
	DelegateCur int
}

// alive is Serf's number for a member that is well.
const alive = 1

func (s *Server) member() memberJSON {
	return memberJSON{
		Name: s.opts.Node, Addr: s.opts.Address, Port: serfPort, Status: alive,
		Tags: map[string]string{
			"acls": "0", "build": Version + ":fedscrape", "dc": s.opts.Datacenter, "id": s.nodeID, "port": strconv.Itoa(serverPort),
			"role": "consul", "segment": "", "vsn": "2", "vsn_max": "3", "vsn_min": "2",
		},
		ProtocolMin: 1, ProtocolMax: 5, ProtocolCur: 2, DelegateMin: 2, DelegateMax: 5, DelegateCur: 4,
	}
}

// Ports that a Consul server would have. Nothing listens there.
const (
	serverPort = 8300
	serfPort   = 8301
)

func (s *Server) agentMembers(*http.Request, string) (*response, error) {
	return &response{body: []memberJSON{s.member()}}, nil
}

func (s *Server) agentVersion(*http.Request, string) (*response, error) {
	return &response{body: map[string]string{"SHA": "", "BuildDate": "1970-01-01T00:00:01Z", "HumanVersion": Version, "FIPS": ""}}, nil
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
		"Member":      s.member(),
		"Stats":       object{"agent": object{"services": strconv.Itoa(services), "checks": strconv.Itoa(checks)}},
		"Meta":        nodeMeta(),
	}}, nil
}

// leader is the address of the one server that there is. Nothing listens there: clients only ask whether there is one.
func (s *Server) leader(*http.Request, string) (*response, error) {
	return &response{body: s.serverAddress()}, nil
}

func (s *Server) peers(*http.Request, string) (*response, error) {
	return &response{body: []string{s.serverAddress()}}, nil
}

func (s *Server) serverAddress() string { return s.opts.Address + ":" + strconv.Itoa(serverPort) }

func (s *Server) catalogDatacenters(*http.Request, string) (*response, error) {
	return &response{body: []string{s.opts.Datacenter}}, nil
}
