package exposition

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// counting is a Sink that counts how often it is asked for a slot, and notes samples that got another line's.
type counting struct {
	mu    sync.Mutex
	slots map[string]Slot
	lines []string // by slot, the value that its lines have
	asked int
	wrong int
	read  int
}

func (c *counting) Slot(id SeriesID) Slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	key := lineKey(id)
	slot, ok := c.slots[key]
	if !ok {
		slot = Slot(len(c.lines))
		c.slots[key] = slot
		c.lines = append(c.lines, id.Labels[0].Value)
	}
	return slot
}

func (c *counting) Sample(slot Slot, value float64, _ int64, _ bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read++
	if c.lines[slot] != fmt.Sprint(value) {
		c.wrong++
	}
}

func (*counting) Meta(string, Type, string, string) {}

// Workers that are asked for the first time, all at once, each with its own order of lines: one reads a line in full, the
// others find it.
func TestWorkersLearnEachLineOnce(t *testing.T) {
	const workers, families, children = 16, 20, 100
	table, sink := NewTable(1<<20), &counting{slots: map[string]Slot{}}
	var group sync.WaitGroup
	for w := range workers {
		var page strings.Builder
		r := rand.New(rand.NewPCG(uint64(w), 1))
		for _, f := range r.Perm(families) {
			fmt.Fprintf(&page, "# HELP x%d_total help\n# TYPE x%d_total counter\n", f, f)
			for _, i := range r.Perm(children) {
				fmt.Fprintf(&page, "x%d_total{i=\"%d\"} %d\n", f, i, i)
			}
		}
		group.Go(func() {
			p := NewPage(Text, table, sink, Limits{}, nil)
			for rest := []byte(page.String()); len(rest) > 0; {
				n := min(1000, len(rest))
				if _, err := p.Write(rest[:n]); err != nil {
					t.Error(err)
				}
				rest = rest[n:]
			}
			if err := p.Close(true); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if sink.asked != families*children || sink.read != workers*families*children || sink.wrong > 0 {
		t.Errorf("%d lines are read in full, %d in all, %d as another line", sink.asked, sink.read, sink.wrong)
	}
}

// Two pages miss one line at once: the one that has the table second finds it.
func TestMissedLineIsLookedForAgain(t *testing.T) {
	table, sink := NewTable(100), &counting{slots: map[string]Slot{}}
	first, second := NewPage(Text, table, sink, Limits{}, nil), NewPage(Text, table, sink, Limits{}, nil)
	line := []byte(`x{i="1"} 1`)
	first.hold()
	first.holdAlone()
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := second.Write(append(line, '\n')); err != nil {
			t.Error(err)
		}
	})
	for begun := time.Now(); !inHoldAlone(); runtime.Gosched() {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("the second page does not wait")
		}
	}
	if err := first.take(line); err != nil {
		t.Error(err)
	}
	first.letGo()
	group.Wait()
	if sink.asked != 1 || sink.read != 2 || sink.wrong > 0 {
		t.Errorf("the line is read in full %d times, %d times in all, %d times as another", sink.asked, sink.read, sink.wrong)
	}
}

// inHoldAlone tells whether a page waits to have its table alone.
func inHoldAlone() bool {
	stacks := make([]byte, 1<<20)
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(".holdAlone("))
}

// Known lines are read while another page learns, also those that it has learnt since the piece began, and after the index that
// the piece began with was full.
func TestKnownLinesAreReadWhileOthersLearn(t *testing.T) {
	table, sink := NewTable(10_000), &counting{slots: map[string]Slot{}}
	learner, reader := NewPage(Text, table, sink, Limits{}, nil), NewPage(Text, table, sink, Limits{}, nil)
	learner.hold()
	defer learner.letGo()
	reader.hold()
	defer reader.letGo()
	for i := range 1000 {
		line := fmt.Appendf(nil, "x{i=\"%d\"} %d", i, i)
		if err := learner.take(line); err != nil {
			t.Fatal(err)
		}
		if !learner.holding.alone {
			t.Fatal("the learner does not have the table alone")
		}
		inTime(t, "a known line", func() {
			if err := reader.take(line); err != nil {
				t.Error(err)
			}
		})
	}
	if sink.asked != 1000 || sink.read != 2000 || sink.wrong > 0 {
		t.Errorf("%d lines are read in full, %d in all, %d as another line", sink.asked, sink.read, sink.wrong)
	}
}

// refusing is a Sink that takes nothing, and counts when it is asked while nobody else could learn.
type refusing struct {
	table        *Table
	asked, alone int
}

func (r *refusing) Slot(SeriesID) Slot {
	r.asked++
	if r.table.mu.TryLock() {
		r.table.mu.Unlock()
	} else {
		r.alone++
	}
	return NoSlot
}
func (*refusing) Sample(Slot, float64, int64, bool) {}
func (*refusing) Meta(string, Type, string, string) {}

// A worker whose lines are refused, in each page again, keeps the others from learning for a few of them only.
func TestRefusedLinesLetOthersLearn(t *testing.T) {
	table := NewTable(1000)
	sink := &refusing{table: table}
	var page strings.Builder
	for i := range 500 {
		fmt.Fprintf(&page, "x{i=\"%d\"} 1\n", i)
	}
	if err := readPage(Text, table, sink, page.String(), true); err != nil {
		t.Fatal(err)
	}
	if sink.asked != 500 || sink.alone == 0 || sink.alone > calmLines+1 {
		t.Errorf("asked %d times, %d of them alone", sink.asked, sink.alone)
	}
}

// A page that has learnt its lines lets others learn.
func TestKnownLinesLetOthersLearn(t *testing.T) {
	table, sink := NewTable(1000), newCollector()
	p := NewPage(Text, table, sink, Limits{}, nil)
	p.hold()
	for i := range 10 + calmLines + 1 {
		if err := p.take(fmt.Appendf(nil, "x{i=\"%d\"} 1", min(i, 9))); err != nil {
			t.Fatal(err)
		}
		if want := i < 10+calmLines; p.holding.alone != want {
			t.Fatalf("line %d: alone is %v", i, p.holding.alone)
		}
	}
	p.letGo()
	if !table.mu.TryLock() {
		t.Fatal("the table is held after the page")
	}
	table.mu.Unlock()
}
