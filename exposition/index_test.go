package exposition

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// The index against a map, also where texts fall together or stand under several declarations.
func TestIndexMatchesMap(t *testing.T) {
	type key struct {
		c    context
		text string
	}
	table, r := NewTable(1<<20), rand.New(rand.NewPCG(1, 2))
	want := map[key]entry{}
	for range 20_000 {
		k := key{firstContext + context(r.IntN(3)), strconv.Itoa(r.IntN(5000))}
		before, had := want[k]
		if got, ok := table.find(k.c, []byte(k.text)); ok != had || ok && got != before {
			t.Fatalf("%v is at %d, %v, want %d, %v", k, got, ok, before, had)
		}
		if e, ok := table.learn([]byte(k.text), k.c, 0, ""); !ok || had && e != before {
			t.Fatalf("%v is learnt as %d, %v", k, e, ok)
		} else {
			want[k] = e
		}
	}
	if len(want) != len(table.known) || 2*len(want) > len(table.index.places) {
		t.Errorf("%d lines in %d places, want %d", len(table.known), len(table.index.places), len(want))
	}
}
