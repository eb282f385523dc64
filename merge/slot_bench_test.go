package merge

import (
	"fmt"
	"testing"

	"github.com/fedscrape/fedscrape/exposition"
)

// pageIDs are the lines of a page of 50 families, a counter's or a histogram's.
func pageIDs() (ids []exposition.SeriesID) {
	for family := range 50 {
		for i := range 40 {
			id := exposition.SeriesID{Type: exposition.Counter, Labels: exposition.Labels{
				{Name: "endpoint", Value: fmt.Sprintf("/api/v1/orders/%d", i)}, {Name: "http_status", Value: "200"}, {Name: "method", Value: "GET"},
			}}
			if id.Family = fmt.Sprintf("app_http_requests%d_total", family); i%10 > 0 || family%5 > 0 {
				ids = append(ids, id)
				continue
			}
			id.Type, id.Family = exposition.Histogram, fmt.Sprintf("app_http_request_duration%d_seconds", family)
			for _, id.Bound = range []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, inf} {
				id.Part = exposition.PartBucket
				ids = append(ids, id)
			}
			for _, id.Part = range []exposition.Part{exposition.PartCount, exposition.PartSum} {
				id.Bound = 0
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// BenchmarkSlot gives the lines of a first page their slots.
func BenchmarkSlot(b *testing.B) {
	ids := pageIDs()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		f := New(NewOptions())
		for _, id := range ids {
			f.Slot(id)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*len(ids)), "ns/line")
}
