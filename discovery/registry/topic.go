package registry

// Topics are what a blocked query waits for: it must be woken by changes of what it asked for, and by no others, or
// every federator would fetch its list anew whenever anybody comes or goes.
const (
	servicesTopic = "services"
	checksTopic   = "checks"
	nobodyTopic   = "nobody"   // of a node that does not exist here
	catalogTopic  = "catalog/" // and a service's name
	healthTopic   = "health/"  // and a service's name

	serviceChecksTopic = "checks/" // and a service's name
)

// topic is one thing waited for. It lives only while somebody waits, so that asking for names costs no memory.
type topic struct {
	changed chan struct{}
	waiting int
}

func (st *state) join(name string) *topic {
	t := st.topics[name]
	if t == nil {
		t = &topic{changed: make(chan struct{})}
		st.topics[name] = t
	}
	t.waiting++
	return t
}

func (st *state) leave(name string, t *topic) {
	t.waiting--
	if t.waiting == 0 && st.topics[name] == t {
		delete(st.topics, name)
	}
}

func (st *state) notify(name string) {
	if t := st.topics[name]; t != nil {
		close(t.changed)
		delete(st.topics, name)
	}
}
