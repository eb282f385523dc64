package registry

import (
	"maps"
	"slices"
)

// Statuses of a check.
const (
	passing  = "passing"
	warning  = "warning"
	critical = "critical"
)

// firstIndex is where the index of a new registry begins; a new Consul's is about as low, which a watcher takes for
// what it is: another history.
const firstIndex = 11

// state is what is registered. It is guarded by Server.mu.
type state struct {
	index    uint64 // of the last change of anything
	services map[string]*service
	groups   map[string]*group // services of one name
	checks   map[string]*check // by check ID
	clock    clock
	bytes    int64 // sum of the services' and checks' sizes
	topics   map[string]*topic
	blocked  int // queries that wait
	probers  int // checks that ask

	// clockHead is the check that the timer is set for.
	clockHead *check

	servicesIndex uint64 // last change of any service
	checksIndex   uint64 // last change of any check
	extinctIndex  uint64 // when the last service of some name went: the index of names that are absent
}

func newState() *state {
	return &state{
		index: firstIndex, servicesIndex: firstIndex, checksIndex: firstIndex, extinctIndex: firstIndex,
		services: map[string]*service{}, groups: map[string]*group{}, checks: map[string]*check{}, topics: map[string]*topic{},
	}
}

// group is all services of one name.
type group struct {
	members map[string]*service
	index   uint64 // of the last change of a member or of a member's check
}

// service is one registration. It must be immutable once it is in the state, but for its checks.
type service struct {
	definition
	createIndex, modifyIndex uint64
	size                     int64
	checks                   map[string]*check
}

func (svc *service) sortedChecks() []*check {
	return slices.SortedFunc(maps.Values(svc.checks), func(a, b *check) int { return compareStrings(a.id, b.id) })
}

func (g *group) sorted() []*service {
	if g == nil {
		return nil
	}
	return slices.SortedFunc(maps.Values(g.members), func(a, b *service) int { return compareStrings(a.ID, b.ID) })
}

func (st *state) sortedServices() []*service {
	return slices.SortedFunc(maps.Values(st.services), func(a, b *service) int { return compareStrings(a.ID, b.ID) })
}

// groupIndex is the index of what is told of a name. The catalog's counts changes of checks, too, though they wake
// nobody there: as in Consul.
func (st *state) groupIndex(name string) uint64 {
	if g := st.groups[name]; g != nil {
		return g.index
	}
	return st.extinctIndex
}

// put stores a service, new or in place of the one with its ID.
func (st *state) put(svc *service) {
	old := st.services[svc.ID]
	svc.createIndex, svc.modifyIndex = st.index, st.index
	if old != nil {
		svc.createIndex = old.createIndex
		st.moveChecks(old, svc)
		st.leaveGroup(old)
		st.bytes -= old.size
	}
	st.services[svc.ID] = svc
	st.bytes += svc.size
	st.joinGroup(svc)
	if old != nil && old.Name != svc.Name {
		st.groupChanged(old.Name)
	}
	st.groupChanged(svc.Name)
}

// moveChecks hands the checks of a registration to the one that takes its place.
func (st *state) moveChecks(from, to *service) {
	to.checks = from.checks
	for _, c := range to.checks {
		c.service = to
	}
	if len(to.checks) > 0 {
		st.checkChanged(to.Name) // a check tells its service's name and tags
	}
}

// remove forgets a service and its checks.
func (st *state) remove(svc *service) {
	for _, c := range svc.checks {
		st.removeCheck(c)
	}
	delete(st.services, svc.ID)
	st.bytes -= svc.size
	st.leaveGroup(svc)
	st.groupChanged(svc.Name)
}

func (st *state) joinGroup(svc *service) {
	g := st.groups[svc.Name]
	if g == nil {
		g = &group{members: map[string]*service{}}
		st.groups[svc.Name] = g
	}
	g.members[svc.ID] = svc
}

func (st *state) leaveGroup(svc *service) {
	g := st.groups[svc.Name]
	delete(g.members, svc.ID)
	if len(g.members) == 0 {
		delete(st.groups, svc.Name)
	}
}

// groupChanged notes that the services of a name are others now.
func (st *state) groupChanged(name string) {
	st.servicesIndex = st.index
	if g := st.groups[name]; g != nil {
		g.index = st.index
	} else {
		st.extinctIndex = st.index
	}
	st.notify(servicesTopic)
	st.notify(catalogTopic + name)
	st.notify(healthTopic + name)
}

// checkChanged notes that a check of a service is another now, or gone.
func (st *state) checkChanged(serviceName string) {
	st.checksIndex = st.index
	if g := st.groups[serviceName]; g != nil {
		g.index = st.index
	}
	st.notify(checksTopic)
	st.notify(healthTopic + serviceName)
	st.notify(serviceChecksTopic + serviceName)
}
