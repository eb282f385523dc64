package publish

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"time"

	consulapi "github.com/hashicorp/consul/api"
)

// entry is what the agent has of a service, as far as is known.
type entry struct {
	// registered is what it was registered with last; nil where that is not known to have gone well.
	registered *consulapi.AgentServiceRegistration
	// beat is when the agent last heard of it.
	beat time.Time
}

// step is what is to be done about a service.
type step int

const (
	register step = iota
	heartbeat
	deregister
)

// action is one request.
type action struct {
	step step
	id   string
	// registration is what to register, where the step is that or the heartbeat finds the service gone.
	registration *consulapi.AgentServiceRegistration
}

// plan gives what makes the agent have what is wanted, by ID. Where whole is false, wanted may lack services that are
// to stay.
func plan(entries map[string]*entry, wanted map[string]*consulapi.AgentServiceRegistration, whole bool, now time.Time, interval time.Duration) []action {
	var actions []action
	for id, r := range wanted {
		switch e := entries[id]; {
		case e == nil || !reflect.DeepEqual(e.registered, r):
			actions = append(actions, action{register, id, r})
		case now.Sub(e.beat) >= interval:
			actions = append(actions, action{heartbeat, id, r})
		}
	}
	for id, e := range entries {
		switch {
		case wanted[id] != nil:
		case whole:
			actions = append(actions, action{deregister, id, nil})
		case now.Sub(e.beat) >= interval:
			actions = append(actions, action{heartbeat, id, e.registered})
		}
	}
	slices.SortFunc(actions, func(a, b action) int { return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.id, b.id)) })
	return actions
}

// withdrawal is the end of all.
func withdrawal(entries map[string]*entry) []action {
	var actions []action
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		actions = append(actions, action{deregister, id, nil})
	}
	return actions
}
