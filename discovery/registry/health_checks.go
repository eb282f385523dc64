package registry

import "net/http"

// healthChecks tells the checks of all services of a name.
func (s *Server) healthChecks(r *http.Request, name string) (*response, error) {
	if name == "" {
		return nil, fail(http.StatusBadRequest, "Missing service name")
	}
	keep, err := parseFilter(r, checkFields(checkJSON{}))
	if err != nil {
		return nil, err
	}
	here := nodeMatches(r)
	return s.ask(r, query{
		topic: serviceChecksTopic + name,
		index: func() uint64 { return s.state.checksIndex },
		body: func() any {
			told := []checkJSON{}
			for _, svc := range s.state.groups[name].sorted() {
				for _, c := range svc.sortedChecks() {
					if check := c.json(s.opts.Node); here && keep(checkFields(check)) {
						told = append(told, check)
					}
				}
			}
			return told
		},
	})
}

// anyState is the state of every check.
const anyState = "any"

// healthState tells the checks of a status. Every change of a check wakes who waits for any, as in Consul.
func (s *Server) healthState(r *http.Request, state string) (*response, error) {
	if state == "" {
		return nil, fail(http.StatusBadRequest, "Missing check state")
	}
	keep, err := parseFilter(r, checkFields(checkJSON{}))
	if err != nil {
		return nil, err
	}
	here := nodeMatches(r)
	return s.ask(r, query{
		topic: checksTopic,
		index: func() uint64 { return s.state.checksIndex },
		body: func() any {
			told := []checkJSON{}
			for _, c := range s.allChecks() {
				if here && (state == anyState || state == c.Status) && keep(checkFields(c)) {
					told = append(told, c)
				}
			}
			return told
		},
	})
}

// allChecks is every check, the node's first. Who calls it holds mu.
func (s *Server) allChecks() []checkJSON {
	all := []checkJSON{s.nodeCheck()}
	for _, svc := range s.state.sortedServices() {
		for _, c := range svc.sortedChecks() {
			all = append(all, c.json(s.opts.Node))
		}
	}
	return all
}
