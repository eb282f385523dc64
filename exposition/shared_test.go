package exposition

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Whoever finds a line, by its text or by its number, finds it whole.
func TestEntriesAreWhole(t *testing.T) {
	const lines = 3000
	table := NewTable(1 << 20)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for known := 0; known < lines; {
				x := table.index.Load()
				n := x.lines()
				for ; known < n; known++ {
					if k := &x.known[known]; k.text != strconv.Itoa(known) || k.slot != Slot(known) || x.families[known] != k.text {
						t.Errorf("entry %d is %v", known, k)
					}
				}
				if e, ok := x.find(firstContext, fmt.Append(nil, n)); ok && (x.known[e].slot != Slot(n) || x.families[e] != strconv.Itoa(n)) {
					t.Errorf("%d is %v", n, x.known[e])
				}
			}
		})
	}
	for i := range lines {
		table.mu.Lock()
		table.learn(fmt.Append(nil, i), firstContext, Slot(i), strconv.Itoa(i))
		table.mu.Unlock()
	}
	group.Wait()
}

// A page all of whose lines are expected takes no lock.
func TestExpectedPageTakesNoLock(t *testing.T) {
	for _, format := range []Format{Text, OpenMetrics} {
		w, body := newWorker(newCollector(), NewTable(1000)), numbered(format, 300, "")
		for range 2 {
			if _, err := w.page(format, body, func(n int) int { return n }); err != nil {
				t.Fatal(err)
			}
		}
		w.table.mu.Lock()
		w.table.naming.Lock()
		inTime(t, "a page whose lines are expected", func() {
			for _, piece := range []int{1, 7, 1000, len(body)} {
				if _, err := w.page(format, body, func(int) int { return piece }); err != nil || w.diverged {
					t.Errorf("in pieces of %d: diverged %v, %v", piece, w.diverged, err)
				}
			}
		})
		w.table.naming.Unlock()
		w.table.mu.Unlock()
	}
}

// inTime has something done that would wait for ever if it had to.
func inTime(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { // its end is awaited, or the test fails
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s waits for a lock", what)
	}
}

// Lines that a page had before its table started anew are not expected: their numbers are others' by now.
func TestLinesOfAnOldTableAreNotExpected(t *testing.T) {
	w, body := newWorker(newCollector(), NewTable(1000)), numbered(Text, 300, "")
	for i := range 3 {
		if i == 2 {
			w.table.mu.Lock()
			w.table.reset()
			w.table.mu.Unlock()
		}
		if _, err := w.page(Text, body, func(n int) int { return n }); err != nil || w.diverged != (i != 1) {
			t.Fatalf("page %d: diverged %v, %v", i, w.diverged, err)
		}
	}
	if len(w.at) != 300 {
		t.Errorf("%d samples", len(w.at))
	}
}

// What follows the line that made the index grow is looked for in a row, while the page still has the index that was full.
func TestRowBehindTheEndOfAnOldIndex(t *testing.T) {
	w := newWorker(newCollector(), NewTable(10_000))
	var page strings.Builder
	for i := range firstPlaces/2 + 1 {
		fmt.Fprintf(&page, "x{i=\"%d\"} 1\n", i)
	}
	page.WriteString("\nx{i=\"1\"} 123456789012345678901234567890\nx{i=\"2\"} 1\n")
	for range 2 {
		if _, err := w.page(Text, []byte(page.String()), func(n int) int { return n }); err != nil || len(w.at) != firstPlaces/2+3 {
			t.Errorf("%d samples, %v", len(w.at), err)
		}
	}
}

// A table starts anew in the middle of a page that expects lines with high numbers.
func TestTableStartsAnewInsideAPage(t *testing.T) {
	const lines, before, inserted = 280, 200, "x_total{a=\"inserted\"} 1\n"
	c, table := newCollector(), NewTable(lines+20)
	w, body := newWorker(c, table), numbered(Text, lines, "")
	if _, err := w.page(Text, body, func(n int) int { return n }); err != nil {
		t.Fatal(err)
	}
	w.at = nil
	p := NewPage(Text, table, w, Limits{}, nil)
	p.Expect(w.lines, w)
	all := strings.SplitAfter(string(body), "\n")
	declared, rest := strings.Join(all[:2], ""), strings.Join(all[2+before:], "")
	write := func(text string) {
		t.Helper()
		if _, err := p.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write(declared + strings.Join(all[2:2+before], "") + inserted)
	table.mu.Lock()
	table.reset()
	table.mu.Unlock()
	if err := readPage(Text, table, &collector{slots: c.slots, ids: c.ids}, declared+rest, true); err != nil {
		t.Fatal(err)
	}
	write(declared + rest)
	if err := p.Close(true); err != nil {
		t.Fatal(err)
	}
	if l := p.Lines(); l != nil && l.epoch == table.index.Load().epoch {
		t.Error("lines of two epochs are taken for one's")
	}
	want := append(append(slots(0, before), Slot(lines)), slots(before, lines)...)
	if !slices.Equal(w.at, want) {
		t.Errorf("slots %v, want %v", w.at, want)
	}
}

// slots gives those from one to before another.
func slots(from, to int) (list []Slot) {
	for slot := from; slot < to; slot++ {
		list = append(list, Slot(slot))
	}
	return list
}

// sharing is a worker whose series have slots that are shared with others. Some are always refused.
type sharing struct {
	*worker
	mu    *sync.Mutex
	slots map[string]Slot
}

func (s *sharing) Slot(id SeriesID) Slot {
	key := lineKey(id)
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(key))
	if sum.Sum32()%17 == 0 {
		return NoSlot
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, ok := s.slots[key]
	if !ok {
		slot = Slot(len(s.slots))
		s.slots[key] = slot
	}
	return slot
}

// Pages of several workers share a table that starts anew again and again: each says what it says when read alone.
func TestPagesShareASmallTable(t *testing.T) {
	for round := range 60 {
		r := rand.New(rand.NewPCG(1, uint64(round)))
		format := []Format{Text, OpenMetrics}[round%2]
		table, mu, common := NewTable([]int{5, 20, 70, 150, 10_000}[r.IntN(5)]), &sync.Mutex{}, map[string]Slot{}
		base := slices.Concat(someLines, longLines)
		var group sync.WaitGroup
		for g := range 4 {
			group.Go(func() {
				r := rand.New(rand.NewPCG(uint64(round), uint64(g)))
				one := &sharing{newWorker(newCollector(), table), mu, common}
				lines := base
				for i := range 8 {
					if r.IntN(4) == 0 {
						lines = mutate(r, format, lines)
					}
					body := pageOf(format, lines)
					got, err := one.pageTo(one, format, body, func(int) int {
						runtime.Gosched()
						return 1 + r.IntN(2000)
					})
					alone := &sharing{newWorker(newCollector(), NewTable(1<<20)), mu, common}
					want, wantErr := alone.pageTo(alone, format, body, func(n int) int { return n })
					if diff := got.differs(want); fmt.Sprint(err) != fmt.Sprint(wantErr) || err == nil && diff != "" {
						t.Errorf("round %d, page %d: %s, %v; alone %v", round, i, diff, err, wantErr)
						return
					}
					if err != nil {
						lines = base
					}
				}
			})
		}
		group.Wait()
	}
}
