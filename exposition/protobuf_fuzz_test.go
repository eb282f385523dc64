package exposition

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

func benchmarkTextparse(b *testing.B, page []byte) {
	samples := 0
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		var lset labels.Labels
		p := textparse.NewProtobufParser(page, true, true, false, false, labels.NewSymbolTable())
		for {
			entry, err := p.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			if entry == textparse.EntrySeries {
				p.Labels(&lset)
				p.Series()
				samples++
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(time.Nanosecond)/float64(samples), "ns/sample")
}
