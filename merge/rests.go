package merge

import (
	"math/bits"
	"slices"
)

// rests are the low parts of sums, by place: most sums are integers, and have none. They stand in the order of their places,
// so that finding one is to count the bits before it.
type rests struct {
	bits   []uint64 // which places have one
	before []int32  // how many there are before each word's
	lows   []float64
}

func (r *rests) has(place int) bool {
	return place>>6 < len(r.bits) && r.bits[place>>6]>>(place&63)&1 == 1
}

func (r *rests) at(place int) int {
	below := r.bits[place>>6] & (1<<(place&63) - 1)
	return int(r.before[place>>6]) + bits.OnesCount64(below)
}

// get gives 0 where there is none.
func (r *rests) get(place int) float64 {
	if !r.has(place) {
		return 0
	}
	return r.lows[r.at(place)]
}

func (r *rests) set(place int, v float64) {
	switch {
	case r.has(place):
		r.lows[r.at(place)] = v
	case v != 0:
		r.insert(place)
		r.lows[r.at(place)] = v
	}
}

func (r *rests) insert(place int) {
	for len(r.bits) <= place>>6 {
		r.bits, r.before = append(r.bits, 0), append(r.before, int32(len(r.lows)))
	}
	r.lows = slices.Insert(r.lows, r.at(place), 0)
	r.bits[place>>6] |= 1 << (place & 63)
	for word := place>>6 + 1; word < len(r.before); word++ {
		r.before[word]++
	}
}

// each calls f with the places that have one, in order.
func (r *rests) each(f func(place int, low float64)) {
	n := 0
	for word, left := range r.bits {
		for ; left != 0; left &= left - 1 {
			f(word<<6+bits.TrailingZeros64(left), r.lows[n])
			n++
		}
	}
}
