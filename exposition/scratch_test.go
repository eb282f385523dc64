package exposition

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// constant is a Sink that costs nothing.
type constant struct{}

func (constant) Slot(SeriesID) Slot                { return 0 }
func (constant) Sample(Slot, float64, int64, bool) {}
func (constant) Meta(string, Type, string, string) {}
func (constant) Room(n int) []float64              { return make([]float64, n) }
func (constant) Repeat(int)                        {}
func (constant) Stamp(Slot, int64)                 {}
func (constant) Diverge([]Slot)                    {}
func (constant) Foresee(int)                       {}

// Names and values that are known cost a new line no copy, of buckets neither.
func TestLearningAllocatesLittle(t *testing.T) {
	const n = 3200
	var b strings.Builder
	b.WriteString("# TYPE x histogram\n")
	for i := range n {
		fmt.Fprintf(&b, "x_bucket{code=\"200\",endpoint=\"/api/v%d\",le=\"%d\",method=\"%d\"} 1\n", i%20, i/20%20, i/400)
	}
	page := []byte(b.String())
	got := testing.AllocsPerRun(5, func() {
		p := NewPage(Text, NewTable(1<<20), constant{}, Limits{}, nil)
		if _, err := p.Write(page); err != nil {
			t.Fatal(err)
		}
	})
	if got > n/4 { // where three of them fall together
		t.Errorf("%v allocations for %d lines", got, n)
	}
}

func TestTextsStayWhatTheyAre(t *testing.T) {
	var kept texts
	for round := range 2 {
		for i := range 5000 {
			want := strings.Repeat("x", i%300) + strconv.Itoa(i)
			b := []byte(want)
			got := kept.copy(b)
			clear(b)
			if got != want {
				t.Fatalf("round %d: %q is %q", round, want, got)
			}
		}
	}
	for _, two := range kept.kept {
		if len(two[0]) > maxKeptText || len(two[1]) > maxKeptText {
			t.Errorf("%q are kept", two)
		}
	}
}
