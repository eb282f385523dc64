package federator

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// TestSorted: whoever comes, goes or is another since the last time, the list is that of who is present, the oldest first.
func TestSorted(t *testing.T) {
	in, r := &Instance{members: map[string]*member{}}, rand.New(rand.NewPCG(1, 2))
	same := 0
	for range 2000 {
		before, key, what := in.sorted(), strconv.Itoa(r.IntN(8)), r.IntN(6)
		kept := slices.Clone(before)
		switch m := in.members[key]; {
		case what < 2: // nothing
		case m == nil:
			in.members[key] = &member{worker: discovery.Worker{Key: key, CreateIndex: r.Uint64N(3)}, since: time.Unix(r.Int64N(3), 0)}
		case what == 2:
			m.since = time.Unix(r.Int64N(3), 0)
		case what == 3:
			in.members[key] = &member{worker: m.worker, since: m.since} // another one under the same key
		default:
			delete(in.members, key)
		}
		got := in.sorted()
		if !slices.IsSortedFunc(got, older) || len(got) != len(in.members) {
			t.Fatalf("%d of %d members, or not in order", len(got), len(in.members))
		}
		for _, m := range got {
			if in.members[m.worker.Key] != m {
				t.Fatalf("%q is not present", m.worker.Key)
			}
		}
		if !slices.Equal(before, kept) {
			t.Fatal("a list that was given has changed")
		}
		if len(got) > 0 && len(before) > 0 && &got[0] == &before[0] {
			same++
		}
	}
	if same < 400 {
		t.Errorf("made anew all but %d times", same)
	}
}
