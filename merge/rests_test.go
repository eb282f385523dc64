package merge

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRests holds the low parts of sums against a map.
func TestRests(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var r rests
	want := map[int]float64{}
	for range 20_000 {
		place, v := random.IntN(700), float64(random.IntN(3))
		if _, had := want[place]; had || v != 0 {
			want[place] = v
		}
		r.set(place, v)
		at := random.IntN(900)
		if _, has := want[at]; r.has(at) != has || r.get(at) != want[at] {
			t.Fatalf("at %d is %v, want %v", at, r.get(at), want[at])
		}
	}
	places := slices.Sorted(maps.Keys(want))
	r.each(func(place int, low float64) {
		if len(places) == 0 || places[0] != place || want[place] != low {
			t.Fatalf("gives %v at %d, want %v", low, place, places[:min(1, len(places))])
		}
		places = places[1:]
	})
	if len(places) > 0 || len(r.lows) != len(want) {
		t.Errorf("does not give %v", places)
	}
}
