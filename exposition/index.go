package exposition

import (
	"hash/maphash"
	"sync/atomic"
)

// index is what pages read of a table: entries by their number, and places that find them by the hash of their text. While pages
// read it, the one that holds the table alone adds to it: an entry is written before its place is, and counted at last. When it
// is full, another takes its place, and it stays as it is for those who still read it.
//
// The places are one array without a pointer: to find a line that is not where it is expected takes a step there and the line's
// text, and nothing for the garbage collector to look at.
type index struct {
	seed     maphash.Seed // the table's: workers cannot know which texts fall together
	places   []place      // a power of two, of which half are free
	known    []known      // has room for half as many
	families []string     // by which the sink knows the line
	count    atomic.Int64 // of entries that are there
	epoch    int          // how often the table started anew
}

// place has a hash and one more than the entry that is here; 0 where it is free.
type place struct{ atomic.Uint64 }

func (p *place) read() (hash uint32, next entry) {
	v := p.Load()
	return uint32(v >> 32), entry(v)
}

func (p *place) write(hash uint32, next entry) { p.Store(uint64(hash)<<32 | uint64(next)) }

// firstPlaces are those of a table that starts anew.
const firstPlaces = 128

func newIndex(places int, seed maphash.Seed, epoch int) *index {
	return &index{
		seed: seed, places: make([]place, places), known: make([]known, places/2), families: make([]string, places/2), epoch: epoch,
	}
}

// grown gives one of the same with twice the room, or with room for as many lines.
func (x *index) grown(lines int) *index {
	places := 2 * len(x.places)
	for places < 2*lines {
		places *= 2
	}
	g := newIndex(places, x.seed, x.epoch)
	copy(g.known, x.known)
	copy(g.families, x.families)
	for i := range x.places {
		if hash, next := x.places[i].read(); next > 0 {
			g.put(hash, next)
		}
	}
	g.count.Store(x.count.Load())
	return g
}

// lines is how many entries there are.
func (x *index) lines() int { return int(x.count.Load()) }

// full tells whether there is no room for another entry.
func (x *index) full() bool { return x.lines() == len(x.known) }

func (x *index) hash(c context, text []byte) uint32 {
	return uint32(maphash.Bytes(x.seed, text)) + uint32(c)*0x9E3779B1
}

// find gives the entry of a text as it stands under a declaration.
func (x *index) find(c context, text []byte) (entry, bool) {
	return x.findHashed(c, text, x.hash(c, text))
}

func (x *index) findHashed(c context, text []byte, hash uint32) (entry, bool) {
	last := uint32(len(x.places) - 1)
	for i := hash & last; ; i = (i + 1) & last {
		has, next := x.places[i].read()
		if next == 0 {
			return 0, false
		}
		if has != hash {
			continue
		}
		if k := &x.known[next-1]; k.context == c && k.text == string(text) {
			return next - 1, true
		}
	}
}

// add gives the next number to a line of that hash. There is room for it.
func (x *index) add(hash uint32, k known, family string) entry {
	e := entry(x.lines())
	x.known[e], x.families[e] = k, family
	x.put(hash, e+1)
	x.count.Store(int64(e) + 1)
	return e
}

func (x *index) put(hash uint32, next entry) {
	last := uint32(len(x.places) - 1)
	i := hash & last
	for x.places[i].Load() > 0 {
		i = (i + 1) & last
	}
	x.places[i].write(hash, next)
}
