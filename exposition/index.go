package exposition

import "hash/maphash"

// index finds a table's entries by the hash of their text. It is one array without a pointer: to find a line that is not
// where it is expected takes a step there and the line's text, and nothing for the garbage collector to look at.
type index struct {
	seed   maphash.Seed // workers cannot know which texts fall together
	places []place      // a power of two, of which half are free
}

// place is 0 where it is free.
type place struct {
	hash uint32
	next entry // one more than the entry that is here
}

func newIndex() index { return index{maphash.MakeSeed(), make([]place, 128)} }

func (x *index) hash(c context, text []byte) uint32 {
	return uint32(maphash.Bytes(x.seed, text)) + uint32(c)*0x9E3779B1
}

// find gives the entry of a text as it stands under a declaration.
func (t *Table) find(c context, text []byte) (entry, bool) {
	return t.findHashed(c, text, t.index.hash(c, text))
}

func (t *Table) findHashed(c context, text []byte, hash uint32) (entry, bool) {
	last := uint32(len(t.index.places) - 1)
	for i := hash & last; ; i = (i + 1) & last {
		p := t.index.places[i]
		if p.next == 0 {
			return 0, false
		}
		if p.hash != hash {
			continue
		}
		if k := &t.known[p.next-1]; k.context == c && k.text == string(text) {
			return p.next - 1, true
		}
	}
}

// add gives the n-th entry its place.
func (x *index) add(hash uint32, n int) {
	if 2*n >= len(x.places) {
		old := x.places
		x.places = make([]place, 2*len(old))
		for _, p := range old {
			if p.next > 0 {
				x.put(p)
			}
		}
	}
	x.put(place{hash, entry(n + 1)})
}

func (x *index) put(p place) {
	last := uint32(len(x.places) - 1)
	i := p.hash & last
	for x.places[i].next > 0 {
		i = (i + 1) & last
	}
	x.places[i] = p
}
