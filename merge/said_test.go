package merge

import (
	"bytes"
	"testing"
)

// What was said stays as it was until it is released, whatever comes: numbers are not copied.
func TestSaidStays(t *testing.T) {
	f := New(NewOptions())
	a, lines := add(f, "a"), append(costPage(2*manyNumbers), sample{id: counter("half_total"), v: 0.1})
	set := func(v float64) {
		for i := range lines {
			lines[i].v = v
		}
		page(f, a, t0, lines...)
	}
	for _, v := range []float64{5, 6, 3, 4, 0.7} { // two resets: there are offsets
		set(v)
	}
	var said Said
	f.Say(&said)
	if len(said.numbers) != 2 {
		t.Fatalf("%d times numbers are not copied", len(said.numbers))
	}
	parts := said.Take(nil)
	before := bytes.Join(parts, nil)
	for _, v := range []float64{9, 2, 0.8, 0.2, 0.9, 0.1} { // whole numbers are added in another way
		set(v)
	}
	f.zero([]*series{f.lines[a.slots[7]].series})
	set(0.05)
	if after := bytes.Join(parts, nil); !bytes.Equal(before, after) {
		t.Error("what was said has changed")
	}
	had, spare := &said.numbers[0].values[0], len(f.spare)
	said.Release()
	said.Release() // nothing is left to be released
	if len(f.spare) != spare+2 && &f.spare[len(f.spare)-1][:1][0] != had {
		t.Error("its memory is not used again")
	}
	f.Say(&said)
	if now := bytes.Join(said.Take(nil), nil); bytes.Equal(before, now) {
		t.Error("says what it said before")
	}
}
