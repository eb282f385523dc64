package registry

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// check is a check of a service. Its status and output are known here at once, as by Consul's agent; the catalog is
// told of a new output only together with a new status, so that heartbeats wake nobody.
type check struct {
	id, name, notes   string
	kind              string // Type in answers
	interval, timeout string // as told
	service           *service
	status, output    string
	catalogOutput     string
	outputLimit       int
	size              int64 // what it is charged for

	ttl      time.Duration // 0: no TTL check
	deadline time.Time     // when the TTL ends; zero while no heartbeat is awaited
	slot     int           // in the clock, -1 outside
	// lastNote is what the last heartbeat said, for the text of an expiry.
	lastNote string

	probe  *probe // nil: it asks nothing
	prober *prober

	deregisterAfter time.Duration // 0: never
	criticalSince   time.Time     // zero while it is not critical, or has never been told to be

	createIndex, modifyIndex uint64
}

// checkID is Consul's: a check that is the only one is named after the service, several are numbered.
func checkID(serviceID string, def *checkDefinition, i, n int) string {
	switch {
	case def.CheckID != "":
		return def.CheckID
	case n > 1:
		return "service:" + serviceID + ":" + strconv.Itoa(i+1)
	}
	return "service:" + serviceID
}

func newCheck(id string, def *checkDefinition, svc *service, floor time.Duration) *check {
	c := &check{
		id: id, name: def.Name, notes: def.Notes, status: def.Status, service: svc, slot: -1,
		kind: def.kind(), interval: def.Interval.text(), timeout: def.Timeout.text(), outputLimit: def.outputLimit(),
		probe: def.probe(),
	}
	if c.probe == nil {
		c.ttl = time.Duration(def.TTL)
	}
	if c.name == "" {
		c.name = "Service '" + svc.Name + "' check"
	}
	if c.status == "" {
		c.status = critical
	}
	if after := def.deregisterAfter(); after > 0 {
		c.deregisterAfter = max(after, floor)
	}
	c.size = c.weigh()
	return c
}

// weigh is about how much memory what was given for the check takes, its output apart.
func (c *check) weigh() int64 {
	size := len(c.id) + len(c.name) + len(c.notes)
	if c.probe != nil {
		size += len(c.probe.url) + len(c.probe.tcp) + len(c.probe.method) + len(c.probe.body) + len(c.probe.serverName)
		for name, values := range c.probe.header {
			size += len(name) + len(strings.Join(values, ""))
		}
	}
	return int64(size)
}

// putCheck stores a check and begins its TTL. One that is there keeps its status and output, whatever the registration
// says, as in Consul: only a heartbeat or an answer tells that a worker lives.
func (st *state) putCheck(svc *service, c *check, now time.Time) {
	old := st.checks[c.id]
	c.createIndex, c.modifyIndex = st.index, st.index
	if old != nil {
		st.succeedCheck(old, c)
	}
	st.checks[c.id] = c
	svc.checks[c.id] = c
	st.bytes += c.size
	if c.ttl > 0 {
		c.deadline = now.Add(c.ttl)
		st.clock.add(c)
	}
	if old != nil && old.tells() == c.tells() {
		return
	}
	if old != nil && old.service.ID != svc.ID {
		st.checkChanged(old.service.Name) // Consul lets a service take over another one's check
	}
	c.modifyIndex = st.index
	st.checkChanged(svc.Name)
}

// succeedCheck hands what lasts of a check to the one that takes its place.
func (st *state) succeedCheck(old, c *check) {
	c.status, c.output, c.catalogOutput = old.status, old.output, old.catalogOutput
	c.createIndex, c.modifyIndex = old.createIndex, old.modifyIndex
	delete(old.service.checks, c.id)
	st.clock.remove(old)
	st.bytes -= old.size
	st.handProbe(old, c)
}

// tells is what a registration says of a check and queries tell.
func (c *check) tells() [7]string {
	return [...]string{c.name, c.notes, c.kind, c.interval, c.timeout, c.service.ID, c.service.Name}
}

func (st *state) removeCheck(c *check) {
	delete(st.checks, c.id)
	delete(c.service.checks, c.id)
	st.clock.remove(c)
	st.stopProbe(c)
	st.bytes -= c.size
	st.checkChanged(c.service.Name)
}

func (st *state) dropOtherChecks(svc *service, keep []*check) {
	for _, c := range svc.checks {
		if !slices.Contains(keep, c) {
			st.removeCheck(c)
		}
	}
}

// setStatus is what a heartbeat or an expiry does.
func (st *state) setStatus(c *check, status, output string, now time.Time) {
	if status != critical {
		c.criticalSince = time.Time{}
	} else if c.criticalSince.IsZero() {
		c.criticalSince = now
	}
	c.output = output
	if c.status == status {
		return
	}
	c.status, c.catalogOutput = status, output
	st.index++
	c.modifyIndex = st.index
	st.checkChanged(c.service.Name)
}

// heartbeat is the handler of check/pass, warn and fail.
func heartbeat(status string) handler {
	return func(s *Server, r *http.Request, id string) (*response, error) {
		return s.beat(id, status, r.URL.Query().Get("note"))
	}
}

func (s *Server) updateCheck(r *http.Request, id string) (*response, error) {
	var update struct{ Status, Output string }
	if err := decodeBody(r, &update); err != nil {
		return nil, err
	}
	if !validStatus(update.Status) {
		return nil, fail(http.StatusBadRequest, "Invalid check status: '%s'", update.Status)
	}
	return s.beat(id, update.Status, update.Output)
}

func (s *Server) beat(id, status, output string) (*response, error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state.checks[id]
	if c == nil {
		return nil, unknownCheckID(id)
	}
	if c.ttl == 0 {
		return nil, fail(http.StatusInternalServerError, "CheckID %q does not have associated TTL", id)
	}
	c.lastNote = truncateOutput(output, c.outputLimit)
	c.deadline = now.Add(c.ttl)
	s.state.clock.add(c)
	s.state.setStatus(c, status, c.lastNote, now)
	s.wakeClock()
	return &response{}, nil
}

// truncateOutput keeps what Consul keeps of a long output.
func truncateOutput(output string, limit int) string {
	if len(output) <= limit {
		return output
	}
	return fmt.Sprintf("%s ... (captured %d of %d bytes)", output[:limit], limit, len(output))
}

// countingBody tells how much of a body was read: what a registration is charged for.
type countingBody struct {
	io.ReadCloser
	size int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.size += int64(n)
	return n, err
}
