package merge

import (
	"math"
	"slices"
	"testing"

	"github.com/fedscrape/fedscrape/exposition"
)

// TestEntriesThatCannotBe: a dictionary that names one line twice, or has a bound that is no number, is damaged.
func TestEntriesThatCannotBe(t *testing.T) {
	made := func(change func(l *line), slots ...Slot) (err error) {
		f := New(NewOptions())
		slot := f.Slot(id(exposition.Histogram, "h", exposition.PartBucket, 1))
		if change != nil {
			change(&f.lines[slot])
		}
		d, from := dictionary{}, dictionary{}
		if _, err := from.read(f.appendEntries(nil, []Slot{slot}), 1); err != nil {
			return err
		}
		for _, as := range slots {
			d[as] = from[slot]
		}
		return New(NewOptions()).makeLines(d, len(slots))
	}
	if err := made(nil, 0); err != nil {
		t.Errorf("one line: %v", err)
	}
	if err := made(nil, 0, 1); err == nil {
		t.Error("a line that is there twice is taken")
	}
	if err := made(func(l *line) { l.bound = math.NaN() }, 0); err == nil {
		t.Error("a bound that is no number is taken")
	}
}

// TestOnce: each slot once, in the order in which they come first; the very list where nothing is to be left out.
func TestOnce(t *testing.T) {
	f := func(slots, want []Slot) {
		t.Helper()
		if got := once(slots); !slices.Equal(got, want) {
			t.Errorf("of %v %v, want %v", slots, got, want)
		}
	}
	f(nil, nil)
	f([]Slot{3}, []Slot{3})
	f([]Slot{3, 4, 9}, []Slot{3, 4, 9})
	f([]Slot{3, 4, 4, 9}, []Slot{3, 4, 9})
	f([]Slot{5, 2, 5, 2, 7}, []Slot{5, 2, 7})
	if slots := []Slot{1, 2, 3}; testing.AllocsPerRun(10, func() { once(slots) }) > 0 {
		t.Error("an ascending list is copied")
	}
}
