package merge

import (
	"bytes"
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// saying says ahead what incarnations of a fold say, in a random life: at the end of each page that must be the same as what they
// say then.
type saying struct {
	said      Said
	part      [][]byte // what was taken
	taken     bool
	held, not int // how many that were said ahead count, and do not
}

func (s *saying) begin(t *rapid.T, f *Fold) {
	f.BeginSay(&s.said)
	s.part, s.taken = nil, rapid.Bool().Draw(t, "takes")
}

func (s *saying) ahead(t *rapid.T, inc *Incarnation) {
	if rapid.IntRange(0, 3).Draw(t, "waits") == 0 || s.said.fold != inc.fold || !inc.fold.SayAhead(&s.said, inc) {
		return
	}
	if s.taken { // while it goes on
		s.part = append(s.part, bytes.Clone(bytes.Join(s.said.Take(nil), nil)))
	}
}

func (s *saying) end(t *rapid.T, f *Fold, now time.Time) {
	f.RenderAndSay(now, &s.said, func() {})
	for at, inc := range s.said.ahead {
		if s.said.holds(at, inc) {
			s.held++
		} else {
			s.not++
		}
	}
	got := readAll(t, f, append(bytes.Join(s.part, nil), bytes.Join(s.said.Take(nil), nil)...))
	want := readAll(t, f, appendSaid(f, nil))
	if !maps.Equal(got, want) {
		t.Fatalf("said ahead:\n%v\nsaid now:\n%v", got, want)
	}
	s.said.Release()
}

// readAll reads what is said as the next process would, by incarnation.
func readAll(t *rapid.T, f *Fold, said []byte) map[uint64]string {
	r, all := &reader{b: said}, map[uint64]string{}
	for _, inc := range f.readSaid(r, f.life) {
		if all[inc.seq] != "" {
			t.Fatalf("%d is said twice", inc.seq)
		}
		inc.variants = nil
		all[inc.seq] = fmt.Sprintf("%+v\n", *inc)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	return all
}

func (s *saying) add(o saying) {
	s.held += o.held
	s.not += o.not
}

// check sees to it that there was something to be seen.
func (s *saying) check(t *testing.T, schedules int) {
	t.Logf("%d said ahead count, %d do not, in %d schedules", s.held, s.not, schedules)
	if !t.Failed() && min(s.held, s.not) < schedules {
		t.Errorf("%d said ahead count, %d do not, in %d schedules", s.held, s.not, schedules)
	}
}

// TestSaidOfOneThatChanges: one whose base is set anew is said anew, one that is removed is not said, and one without a page not
// ahead.
func TestSaidOfOneThatChanges(t *testing.T) {
	f := New(NewOptions())
	a, b, silent := add(f, "a"), add(f, "b"), add(f, "silent")
	for _, inc := range []*Incarnation{a, b} {
		page(f, inc, t0, sample{id: counter("x_total"), v: 5})
	}
	f.Families(t0)
	var said Said
	f.BeginSay(&said)
	if !f.SayAhead(&said, a) || !f.SayAhead(&said, b) || f.SayAhead(&said, silent) {
		t.Error("who is said ahead is another one")
	}
	f.SetBase(a, true)
	f.Remove(b)
	f.Say(&said)
	r := &reader{b: bytes.Join(said.Take(nil), nil)}
	var got []string
	for _, inc := range f.readSaid(r, f.life) {
		got = append(got, fmt.Sprintf("%s %t", inc.Key, inc.base))
	}
	if want := []string{"a true", "silent false"}; fmt.Sprint(got) != fmt.Sprint(want) || r.end() != nil {
		t.Errorf("said are %v, want %v, %v", got, want, r.err)
	}
	said.Release()
}
