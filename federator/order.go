package federator

import (
	"cmp"
	"maps"
	"slices"
)

// sorted gives the present members, the oldest first. The list is not changed any more: from round to round it is the same,
// mostly, and to see that is less work than to sort.
func (in *Instance) sorted() []*member {
	same := len(in.order) == len(in.members) && slices.IsSortedFunc(in.order, older)
	for i := 0; same && i < len(in.order); i++ {
		same = in.members[in.order[i].worker.Key] == in.order[i]
	}
	if !same {
		in.order = slices.SortedFunc(maps.Values(in.members), older)
	}
	return in.order
}

func older(a, b *member) int {
	return cmp.Or(a.since.Compare(b.since), a.worker.Compare(&b.worker), cmp.Compare(a.worker.Key, b.worker.Key))
}

// byName gives the present members in the order of their worker IDs.
func (in *Instance) byName() []*member {
	in.name()
	list := slices.Clone(in.sorted())
	slices.SortStableFunc(list, func(a, b *member) int { return cmp.Compare(a.name, b.name) })
	return list
}
