package merge

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fedscrape/fedscrape/exposition"
)

// stale are two folds that live the same life. One of them derives anew, for each page, what lines are, and adds all up again:
// nobody may see it.
type stale struct {
	f, anew *Fold
	pairs   [][2]*Incarnation   // in both
	last    map[string][]sample // by key: the last page
	now     time.Time
	held    int // how often pages were added up when they came
	saying  saying
}

func newStale(t *rapid.T) *stale {
	opts := lawOptions()
	opts.DepartedLimit = rapid.IntRange(0, 4).Draw(t, "limit")
	s := &stale{f: New(opts), anew: New(opts), last: map[string][]sample{}, now: t0}
	s.f.fewFreed, s.anew.fewFreed = 1, 1
	p := twinPage(t)
	for range 4 {
		s.commit(s.join(), p)
	}
	return s
}

func (s *stale) join() [2]*Incarnation {
	key := strconv.Itoa(len(s.pairs))
	spec := Spec{Key: key, WorkerID: key, Born: s.now}
	s.pairs = append(s.pairs, [2]*Incarnation{s.f.Add(spec), s.anew.Add(spec)})
	return s.pairs[len(s.pairs)-1]
}

func (s *stale) commit(pair [2]*Incarnation, p []sample) {
	s.last[pair[0].Key] = p
	for _, inc := range pair {
		page(inc.fold, inc, s.now, p...)
	}
}

// of draws one that both folds have, which is present or not; false where there is none.
func (s *stale) of(t *rapid.T, present bool) (pair [2]*Incarnation, ok bool) {
	var list [][2]*Incarnation
	for _, pair := range s.pairs {
		if pair[0].Present() == present && s.f.Keeps(pair[0]) {
			list = append(list, pair)
		}
	}
	if len(list) == 0 {
		return pair, false
	}
	return rapid.SampledFrom(list).Draw(t, "incarnation"), true
}

// more is the same page with higher values, or with lower ones.
func more(p []sample, reset bool) []sample {
	p = slices.Clone(p)
	for i := range p {
		switch s := &p[i]; {
		case s.id.Part == exposition.PartCreated || s.id.Family == "b_info" || s.id.Family == hintFamily:
		case reset && s.id.Type.Cumulative():
			s.v = 1
		default:
			s.v++
		}
	}
	return p
}

// round has most of the present workers say more of the same.
func (s *stale) round(t *rapid.T) {
	for _, pair := range s.pairs {
		if inc := pair[0]; inc.Present() && s.last[inc.Key] != nil && rapid.IntRange(0, 5).Draw(t, "answers") > 0 {
			s.commit(pair, more(s.last[inc.Key], rapid.IntRange(0, 15).Draw(t, "reset") == 0))
			s.saying.ahead(t, inc)
		}
	}
}

func (s *stale) show(t *rapid.T) {
	s.saying.end(t, s.f, s.now)
	s.saying.begin(t, s.f)
	if s.f.layout && s.f.held && s.f.arrivedHolds() && s.f.arrived.pages > 0 {
		s.held++
	}
	s.anew.redefine()
	s.anew.dropArrived()
	if got, want := show(s.f, s.now), show(s.anew, s.now); got != want {
		t.Fatalf("merged:\n%s\nderived anew:\n%s", got, want)
	}
	wantLeft(t, s.f)
}

// wantLeft adds up what departed ones left, and what was counted before resets, line by line.
func wantLeft(t *rapid.T, f *Fold) {
	kept, between := f.kept, f.between
	defer func() { f.kept, f.between = kept, between }()
	f.kept, f.between = nil, nil
	f.sumKept() // what resets have added since is rounded otherwise
	want := make([]sum, len(f.lines))
	for slot, v := range f.ledger {
		want[slot].addSum(v)
	}
	for _, inc := range f.incarnations {
		if !inc.present {
			f.contributions(inc.slots, inc.last, inc.lastSum, func(slot Slot, v float64) { want[slot].add(v) })
		}
		for i, slot := range inc.offset.slots {
			want[f.target[slot]].addSum(inc.offset.at(i))
		}
	}
	for slot, v := range want {
		kept := f.kept[slot]
		if f.isBucket[slot] {
			kept = f.between[slot]
		}
		if kept != v && (finite(kept.hi) || finite(v.hi)) {
			t.Fatalf("%s %d %v is kept as %v, it was left as %v", f.lines[slot].name(), f.lines[slot].part, f.lines[slot].bound, kept, v)
		}
	}
}

func (s *stale) each(do func(f *Fold)) {
	do(s.f)
	do(s.anew)
}

func (s *stale) step(t *rapid.T, what string) {
	pair, ok := s.of(t, what != "return")
	switch {
	case what == "show":
		s.show(t)
	case what == "time":
		s.now = s.now.Add(time.Duration(rapid.SampledFrom([]int{1, 90, 1500}).Draw(t, "minutes")) * time.Minute)
		s.each(func(f *Fold) { f.FoldExpired(s.now); f.Compact(s.now) })
	case what == "forget":
		s.each(func(f *Fold) { f.Forget(s.now) })
	case what == "relabeled":
		s.each((*Fold).Relabeled)
	case what == "join":
		s.commit(s.join(), more(s.last["0"], true))
	case what == "round" || !ok:
		s.round(t)
	case what == "up":
		for _, inc := range pair {
			inc.fold.SetUp(inc, !inc.up)
		}
	case what == "rename":
		for _, inc := range pair {
			inc.fold.Rename(inc, inc.WorkerID+"'")
		}
	case what == "page":
		s.commit(pair, twinPage(t))
		s.saying.ahead(t, pair[0])
	default:
		for _, inc := range pair {
			if what == "return" {
				inc.fold.Return(inc)
			} else {
				inc.fold.Depart(inc, s.now, what == "goodbye")
			}
		}
	}
}

// TestNothingIsStale lets workers come, go, return and say something else, in random lives.
func TestNothingIsStale(t *testing.T) {
	held, schedules, said := 0, 0, saying{}
	many(t, 400)
	rare := []string{"page", "join", "up", "rename", "depart", "depart", "return", "return", "goodbye", "time", "forget", "relabeled"}
	what := rapid.SampledFrom(slices.Concat(slices.Repeat([]string{"round", "show"}, 6), rare))
	rapid.Check(t, func(t *rapid.T) {
		s := newStale(t)
		for range 60 {
			s.step(t, what.Draw(t, "step"))
		}
		held += s.held
		said.add(s.saying)
		schedules++
	})
	if !t.Failed() && held < schedules {
		t.Errorf("pages were added up when they came only %d times in %d schedules", held, schedules)
	}
	said.check(t, schedules)
}
