package exposition

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// shuffledPage has counters of 50 families, each worker's in its own order.
func shuffledPage(w, lines int) []byte {
	r := rand.New(rand.NewPCG(uint64(w), 3))
	var b strings.Builder
	for family := range 50 {
		fmt.Fprintf(&b, "# HELP app_http_requests%d_total Requests served\n# TYPE app_http_requests%d_total counter\n", family, family)
		for _, i := range r.Perm(lines / 50) {
			fmt.Fprintf(&b, "app_http_requests%d_total{endpoint=\"/api/v1/orders/%d\",http_status=\"200\",method=\"GET\"} %d.0\n", family, i, r.IntN(1e6))
		}
	}
	return []byte(b.String())
}

// BenchmarkReadOthersLines reads pages of workers that nobody has asked before, whose lines others have, in another order.
func BenchmarkReadOthersLines(b *testing.B) {
	for _, lines := range []int{1000, 10_000} {
		b.Run(strconv.Itoa(lines), func(b *testing.B) {
			var pages [][]byte
			for w := range 16 {
				pages = append(pages, shuffledPage(w, lines))
			}
			table, sink := NewTable(1<<20), constant{}
			read := func(page []byte) {
				p := NewPage(Text, table, sink, Limits{}, nil)
				p.Expect(nil, sink)
				if _, err := p.Write(page); err != nil {
					b.Fatal(err)
				}
			}
			read(pages[0])
			b.SetBytes(int64(len(pages[0])))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				read(pages[n%len(pages)])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*lines), "ns/line")
		})
	}
}

// BenchmarkLearn reads a page of which nothing is known.
func BenchmarkLearn(b *testing.B) {
	const lines = 5000
	page := shuffledPage(1, lines)
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		p := NewPage(Text, NewTable(1<<20), constant{}, Limits{}, nil)
		if _, err := p.Write(page); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*lines), "ns/line")
}
