package exposition

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// manySeries is a page of all types, with exemplars and start times, of about 24 samples for each of n label sets.
func manySeries(t testing.TB, n int) []*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewRegistry()
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests."}, []string{"method", "path"})
	open := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "http_open", Help: "Open."}, []string{"method", "path"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_seconds", Help: "Duration.", NativeHistogramBucketFactor: 1.1, Buckets: prometheus.DefBuckets}, []string{"method", "path"})
	size := prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: "http_size", Help: "Size.", Objectives: map[float64]float64{0.5: 0.1, 0.9: 0.1}}, []string{"method", "path"})
	r.MustRegister(total, open, seconds, size)
	for i := range n {
		path := fmt.Sprintf("/api/v1/endpoint/%d", i)
		total.WithLabelValues("GET", path).(prometheus.ExemplarAdder).AddWithExemplar(float64(i*1000)+0.5, prometheus.Labels{"trace_id": path})
		open.WithLabelValues("GET", path).Set(float64(i))
		size.WithLabelValues("GET", path).Observe(float64(i))
		for j := range 20 {
			seconds.WithLabelValues("GET", path).(prometheus.ExemplarObserver).ObserveWithExemplar(float64(j)*0.3, prometheus.Labels{"trace_id": path})
		}
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// readPieces reads a page in pieces as they come from the network, and gives how many samples it has.
func readPieces(t testing.TB, format Format, table *Table, sink Sink, page []byte) int {
	p := NewPage(format, table, sink, Limits{}, nil)
	for piece := range slices.Chunk(page, 64<<10) {
		if _, err := p.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(true); err != nil {
		t.Fatal(err)
	}
	return p.Samples()
}

// TestProtobufAllocatesNothing a sample, where the table knows them; a family costs what it costs in text.
func TestProtobufAllocatesNothing(t *testing.T) {
	measure := func(series int) float64 {
		page := []byte(written(t, protoDelim, manySeries(t, series)...))
		table, sink := NewTable(1<<20), &discard{slots: map[string]Slot{}}
		return testing.AllocsPerRun(10, func() {
			readPieces(t, Protobuf, table, sink, page)
		})
	}
	few, many := measure(5), measure(300)
	t.Logf("4 families: %v allocations with 5 label sets, %v with 300", few, many)
	if many > few+2 { // a buffer for messages of several pieces, where a collection of garbage took the last one
		t.Errorf("5 label sets allocate %v times, 300 %v times", few, many)
	}
}

// BenchmarkReadGather reads one gather in each format, by the table, and by Prometheus' parser.
func BenchmarkReadGather(b *testing.B) {
	families := manySeries(b, 500)
	pages := map[string][]byte{
		"text": []byte(written(b, plainText, families...)), "protobuf": []byte(written(b, protoDelim, families...)),
	}
	b.Run("textparse", func(b *testing.B) { benchmarkTextparse(b, pages["protobuf"]) })
	for name, format := range map[string]Format{"text": Text, "protobuf": Protobuf} {
		b.Run(name, func(b *testing.B) {
			table, sink, samples := NewTable(1<<20), &discard{slots: map[string]Slot{}}, 0
			readPieces(b, format, table, sink, pages[name])
			b.SetBytes(int64(len(pages[name])))
			b.ReportAllocs()
			for b.Loop() {
				samples += readPieces(b, format, table, sink, pages[name])
			}
			b.ReportMetric(float64(b.Elapsed())/float64(time.Nanosecond)/float64(samples), "ns/sample")
		})
	}
}

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
