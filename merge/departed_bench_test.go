package merge

import (
	"strconv"
	"testing"
)

// BenchmarkSumKept adds up what sixteen departed workers left, as the first page after a deploy does.
func BenchmarkSumKept(b *testing.B) {
	f, ids := New(NewOptions()), pageIDs()
	lines := make([]sample, len(ids))
	for i, id := range ids {
		lines[i] = sample{id: id, v: float64(i)}
	}
	for i := range 16 {
		inc := add(f, strconv.Itoa(i))
		page(f, inc, t0, lines...)
		f.Depart(inc, t0, false)
	}
	f.Families(t0)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		f.sumKept()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*16*len(lines)), "ns/line")
}
