package exposition

import (
	"fmt"
	"strings"
	"testing"
)

// exampled takes exemplars, and throws them away.
type exampled struct{ repeater }

func (*exampled) Exemplar(int, RawExemplar) {}

// BenchmarkReadOpenMetrics reads 1,200 buckets where they are expected, with what OpenMetrics may have after their number.
func BenchmarkReadOpenMetrics(b *testing.B) {
	after := map[string]func(i, j int) string{
		"plain":     func(int, int) string { return "" },
		"timestamp": func(i, j int) string { return fmt.Sprintf(" 1795271%d.%03d", 100+i, j*17) },
		"exemplar": func(i, j int) string {
			return fmt.Sprintf(" # {trace_id=\"%032x\",span_id=\"%016x\"} 0.%d 1795271%d.%03d", i*7919, j*7919, 1000+i*j, 100+i, j*17)
		},
	}
	for _, kind := range []string{"plain", "timestamp", "exemplar"} {
		b.Run(kind, func(b *testing.B) {
			body, table := []byte(bucketPage(after[kind])), NewTable(1<<20)
			sink := &exampled{repeater{discard: discard{slots: map[string]Slot{}}}}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				p := NewPage(OpenMetrics, table, sink, Limits{}, nil)
				p.Expect(sink.lines, sink)
				if _, err := p.Write(body); err != nil || p.Close(true) != nil {
					b.Fatal(err)
				}
				sink.lines = p.Lines()
			}
		})
	}
}

func bucketPage(after func(i, j int) string) string {
	var page strings.Builder
	page.WriteString("# HELP h Durations.\n# TYPE h histogram\n")
	for i := range 100 {
		for j, le := range []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"} {
			fmt.Fprintf(&page, "h_bucket{path=\"/some/path/%d\",le=\"%s\"} %d.0%s\n", i, le, 12345+j*i, after(i, j))
		}
	}
	return page.String() + "# EOF\n"
}
