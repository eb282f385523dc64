package exposition

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// gathered is what a process with every type of metric shows: labels to escape, names in UTF-8, odd values, exemplars.
func gathered(t testing.TB) []*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewRegistry()
	odd := []string{"", "a\\b", "\"quoted\"", "two\nlines", "ünïcode", "tab\tbed", "a,b={c}"}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total", Help: "Requests \\ of\nall."}, []string{"path", "code"})
	open := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "open", Help: ""}, []string{"le"})
	utf8 := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "http.server.öpen", Help: "With \"quotes\"."}, []string{"service.name", "a b"})
	sizes := prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: "size_bytes", Objectives: map[float64]float64{0.5: 0.1, 0.99: 0.01, 1: 0}}, []string{"k"})
	bare := prometheus.NewSummary(prometheus.SummaryOpts{Name: "bare", Help: "No quantiles."})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "seconds", Help: "h", Buckets: []float64{-1, 0, 0.005, 1, 2.5, 1e6}}, []string{"k"})
	native := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "native", Help: "Only native.", NativeHistogramBucketFactor: 1.1})
	both := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "both", NativeHistogramBucketFactor: 1.5, Buckets: []float64{1, 10}}, []string{"k"})
	untyped := prometheus.NewUntypedFunc(prometheus.UntypedOpts{Name: "untyped", Help: "u"}, func() float64 { return -0.25 })
	created := prometheus.NewGauge(prometheus.GaugeOpts{Name: "requests_created", Help: "A start time, as client_python has it."})
	r.MustRegister(requests, open, utf8, sizes, bare, seconds, native, both, untyped, created, prometheus.NewCounter(prometheus.CounterOpts{Name: "odd_name"}))
	for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1e300, 5e-324, 9007199254740993} {
		requests.WithLabelValues(odd[i], "200").(prometheus.ExemplarAdder).AddWithExemplar(float64(i)+0.1, prometheus.Labels{"trace_id": odd[i]})
		open.WithLabelValues(odd[i]).Set(v)
		utf8.WithLabelValues(odd[i], "b").Set(v)
		sizes.WithLabelValues(odd[i]).Observe(v)
		native.Observe(float64(i * i))
		both.WithLabelValues(odd[i%2]).(prometheus.ExemplarObserver).ObserveWithExemplar(float64(i), prometheus.Labels{"trace_id": "x"})
		seconds.WithLabelValues(odd[i%3]).(prometheus.ExemplarObserver).ObserveWithExemplar(v, prometheus.Labels{"trace_id": "x"})
	}
	both.WithLabelValues("never observed")
	bare.Observe(3)
	created.Set(1.5e9)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// written is a page as client libraries write it.
func written(t testing.TB, format expfmt.Format, families ...*dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	e := expfmt.NewEncoder(&b, format)
	for _, f := range families {
		if err := e.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.(expfmt.Closer).Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var (
	protoDelim = expfmt.NewFormat(expfmt.TypeProtoDelim).WithEscapingScheme(0)
	plainText  = expfmt.NewFormat(expfmt.TypeTextPlain).WithEscapingScheme(0)
)

func metricOf(labels ...string) *dto.Metric {
	m := &dto.Metric{}
	for i := 0; i < len(labels); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: &labels[i], Value: &labels[i+1]})
	}
	return m
}

func familyOf(name string, typ dto.MetricType, metrics ...*dto.Metric) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Type: &typ, Metric: metrics}
}

func counterOf(v float64, labels ...string) *dto.Metric {
	m := metricOf(labels...)
	m.Counter = &dto.Counter{Value: &v}
	return m
}

func gaugeOf(v float64, labels ...string) *dto.Metric {
	m := metricOf(labels...)
	m.Gauge = &dto.Gauge{Value: &v}
	return m
}

// unsigned is a sample as client_golang's text has it, which knows no -0.
func unsigned(line string) string {
	if number, cut := strings.CutSuffix(line, " = -0"); cut {
		return number + " = 0"
	}
	return line
}

// TestProtobufMatchesText reads a gather in protobuf and in text: families, types, HELP, series, values and order are one.
func TestProtobufMatchesText(t *testing.T) {
	families := gathered(t)
	text, proto := newCollector(), newCollector()
	textTable, protoTable := NewTable(1000), NewTable(1000)
	for range 2 { // the second time the tables know the lines
		if err := readPage(Text, textTable, text, written(t, plainText, families...), true); err != nil {
			t.Fatal(err)
		}
		if err := readPage(Protobuf, protoTable, proto, written(t, protoDelim, families...), true); err != nil {
			t.Fatal(err)
		}
	}
	if len(text.lines) < 2*100 {
		t.Fatalf("only %d samples: the page tests little", len(text.lines))
	}
	for i, line := range proto.lines {
		proto.lines[i] = unsigned(line)
	}
	if diff := cmp.Diff(text.lines, proto.lines); diff != "" {
		t.Errorf("samples, -text +protobuf:\n%s", diff)
	}
	if diff := cmp.Diff(text.metas, proto.metas); diff != "" {
		t.Errorf("metadata, -text +protobuf:\n%s", diff)
	}
}

// TestReadProtobuf has what no gather shows.
func TestReadProtobuf(t *testing.T) {
	f := func(family *dto.MetricFamily, want ...string) {
		t.Helper()
		c, table := newCollector(), NewTable(1000)
		for range 2 {
			c.lines = nil
			if err := readPage(Protobuf, table, c, written(t, protoDelim, family), true); err != nil {
				t.Fatalf("%v: %v", family, err)
			}
			if diff := cmp.Diff(want, c.lines); diff != "" {
				t.Fatalf("%v: -want +got\n%s", family, diff)
			}
		}
		for _, v := range c.vals {
			if math.IsNaN(v) && math.Float64bits(v) != math.Float64bits(math.NaN()) {
				t.Fatalf("%v: a NaN is %x", family, math.Float64bits(v))
			}
		}
	}
	one, two, three, ten := uint64(1), uint64(2), uint64(3), uint64(10)
	half, number, zero, infinite := 0.5, 1.0, 0.0, math.Inf(1)
	stamped := gaugeOf(1)
	stamped.TimestampMs = new(int64)
	*stamped.TimestampMs = 1234
	f(familyOf("x", dto.MetricType_GAUGE, stamped, gaugeOf(2, "b", "2", "a", "1")), `x gauge = 1 @1234`, `x gauge a="1" b="2" = 2`)
	// What other languages write where a value is 0: nothing.
	f(familyOf("x", dto.MetricType_COUNTER, &dto.Metric{Counter: &dto.Counter{}}), `x counter = 0`)
	f(&dto.MetricFamily{Name: new("x"), Metric: []*dto.Metric{counterOf(3)}}, `x counter = 3`)
	f(familyOf("h", dto.MetricType_HISTOGRAM, &dto.Metric{Histogram: &dto.Histogram{}}), `h histogram bucket +Inf = 0`, `h histogram sum = 0`, `h histogram count = 0`)
	// A histogram of floats, and one that tells its +Inf.
	f(familyOf("h", dto.MetricType_HISTOGRAM, &dto.Metric{Histogram: &dto.Histogram{
		SampleCount: &ten, SampleCountFloat: new(2.5), SampleSum: &half, Bucket: []*dto.Bucket{{UpperBound: &number, CumulativeCount: &ten, CumulativeCountFloat: new(1.5)}},
	}}), `h histogram bucket 1.0 = 1.5`, `h histogram bucket +Inf = 2.5`, `h histogram sum = 0.5`, `h histogram count = 2.5`)
	f(familyOf("h", dto.MetricType_HISTOGRAM, &dto.Metric{Histogram: &dto.Histogram{
		SampleCount: &three, Bucket: []*dto.Bucket{{CumulativeCount: &one}, {UpperBound: &infinite, CumulativeCount: &two}},
	}}), `h histogram bucket 0.0 = 1`, `h histogram bucket +Inf = 2`, `h histogram sum = 0`, `h histogram count = 3`)
	f(familyOf("g", dto.MetricType_GAUGE_HISTOGRAM, &dto.Metric{Histogram: &dto.Histogram{
		SampleCount: &two, SampleSum: &half, Bucket: []*dto.Bucket{{UpperBound: &zero, CumulativeCount: &one}},
	}}), `g gaugehistogram bucket 0.0 = 1`, `g gaugehistogram bucket +Inf = 2`, `g gaugehistogram sum = 0.5`, `g gaugehistogram count = 2`)
	f(familyOf("s", dto.MetricType_SUMMARY, &dto.Metric{Summary: &dto.Summary{SampleCount: &two, Quantile: []*dto.Quantile{{Quantile: &half, Value: new(math.NaN())}}}}),
		`s summary quantile 0.5 = NaN`, `s summary sum = 0`, `s summary count = 2`)
	// Prometheus' mark of a series that went is a NaN to us, as in text.
	f(familyOf("x", dto.MetricType_GAUGE, gaugeOf(math.Float64frombits(0x7ff0000000000002))), `x gauge = NaN`)
}

// TestProtobufFormatOf: parameters may be missing, but not others.
func TestProtobufFormatOf(t *testing.T) {
	f := func(contentType string, want bool) {
		t.Helper()
		if format, known := FormatOf(contentType); (known && format == Protobuf) != want || known != want {
			t.Errorf("%q: format %d, %v", contentType, format, known)
		}
	}
	f("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores", true)
	f("application/vnd.google.protobuf", true)
	f("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=text", false)
	f("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=compact-text", false)
	f("application/vnd.google.protobuf; proto=io.prometheus.write.v2.Request; encoding=delimited", false)
}

// TestProtobufStartTimes: gauges that are start times are, as in text.
func TestProtobufStartTimes(t *testing.T) {
	families := []*dto.MetricFamily{
		familyOf("x_total", dto.MetricType_COUNTER, counterOf(1, "a", "b")), familyOf("x_created", dto.MetricType_GAUGE, gaugeOf(1.5e9, "a", "b")),
		familyOf("y_created", dto.MetricType_GAUGE, gaugeOf(2)),
	}
	c := newCollector()
	if err := readPage(Protobuf, NewTable(10), c, written(t, protoDelim, families...), true); err != nil {
		t.Fatal(err)
	}
	want := []string{`x_total counter a="b" = 1`, `x_total counter created a="b" = 1500000000`, `y_created gauge = 2`}
	if diff := cmp.Diff(want, c.lines); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	checkFamilies(t, families)
}

// TestProtobufMeta: HELP, TYPE and a unit, which counts where OpenMetrics could say it.
func TestProtobufMeta(t *testing.T) {
	f := func(family *dto.MetricFamily, want ...string) {
		t.Helper()
		c := newCollector()
		if err := readPage(Protobuf, NewTable(10), c, written(t, protoDelim, family), true); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, c.metas); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	with := func(f *dto.MetricFamily, help, unit string) *dto.MetricFamily {
		f.Help, f.Unit = &help, &unit
		return f
	}
	f(with(familyOf("x_seconds", dto.MetricType_GAUGE, gaugeOf(1)), "a \\ \"b\"\nc", "seconds"), `x_seconds gauge "a \\ \"b\"\nc" "seconds"`)
	f(with(familyOf("x_seconds_total", dto.MetricType_COUNTER, counterOf(1)), "", "seconds"), `x_seconds_total counter "" "seconds"`)
	f(with(familyOf("x", dto.MetricType_GAUGE, gaugeOf(1)), "h", "seconds"), `x gauge "h" ""`)
	f(with(familyOf("seconds", dto.MetricType_GAUGE, gaugeOf(1)), "h", "seconds"), `seconds gauge "h" ""`)
	f(with(familyOf("x", dto.MetricType_GAUGE), "h", ""))
}

// TestProtobufPieces cuts a page everywhere: the pieces say what the whole does.
func TestProtobufPieces(t *testing.T) {
	page := written(t, protoDelim, gathered(t)...)
	whole := newCollector()
	if err := readPage(Protobuf, NewTable(1000), whole, page, true); err != nil {
		t.Fatal(err)
	}
	table, c := NewTable(1000), newCollector()
	for _, size := range []int{1, 2, 3, 7, 100, 1000, len(page) - 1} {
		c.lines, c.metas = nil, nil
		p := NewPage(Protobuf, table, c, Limits{}, nil)
		for piece := range slices.Chunk([]byte(page), size) {
			if n, err := p.Write(piece); err != nil || n != len(piece) {
				t.Fatal(n, err)
			}
			clear(piece) // nothing that was handed in is kept
		}
		if err := p.Close(true); err != nil || p.Samples() != len(whole.lines) {
			t.Fatal(p.Samples(), err)
		}
		if !slices.Equal(c.lines, whole.lines) || !slices.Equal(c.metas, whole.metas) {
			t.Errorf("in pieces of %d the page says something else", size)
		}
	}
}

// TestProtobufRelabel: rules see what they see of text, le as OpenMetrics writes it.
func TestProtobufRelabel(t *testing.T) {
	families := []*dto.MetricFamily{
		familyOf("x_total", dto.MetricType_COUNTER, counterOf(1, "k", "drop"), counterOf(2, "k", "b")),
		familyOf("h", dto.MetricType_HISTOGRAM, &dto.Metric{Histogram: &dto.Histogram{SampleCount: new(uint64(4)), Bucket: []*dto.Bucket{{UpperBound: new(1.0), CumulativeCount: new(uint64(3))}}}}),
	}
	rules := func(name string, labels Labels) (string, Labels, bool) {
		if slices.Contains(labels, Label{"k", "drop"}) || slices.Contains(labels, Label{"le", "+Inf"}) {
			return "", nil, false
		}
		if strings.HasPrefix(name, "h_") {
			return "i" + strings.TrimPrefix(name, "h"), append(labels, Label{"from", name}), true
		}
		return name, append(labels, Label{"a", "added"}), true
	}
	for _, limit := range []int{4, 3} {
		c, table := newCollector(), NewTable(100)
		for range 2 {
			c.lines = nil
			p := NewPage(Protobuf, table, c, Limits{Samples: limit, Labels: 2, LabelValueLength: 8}, rules)
			_, err := p.Write([]byte(written(t, protoDelim, families...)))
			if limit == 3 {
				if want := "message 2: over sample_limit (3)"; err == nil || err.Error() != want {
					t.Fatalf("error %v, want %s", err, want)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			want := []string{`x_total counter a="added" k="b" = 2`, `i histogram bucket 1.0 from="h_bucket" = 3`, `i histogram sum from="h_sum" = 0`, `i histogram count from="h_count" = 4`}
			if diff := cmp.Diff(want, c.lines); diff != "" {
				t.Fatalf("-want +got\n%s", diff)
			}
		}
	}
}

// TestFormatsShareTable: a worker's format may change, and another's may be another.
func TestFormatsShareTable(t *testing.T) {
	families, table, c, plain := gathered(t), NewTable(1000), newCollector(), NewTable(1000)
	pages := map[Format]string{Text: written(t, plainText, families...), Protobuf: written(t, protoDelim, families...)}
	sink := &repeater{discard: discard{slots: map[string]Slot{}}}
	for i := range 12 {
		format := Text
		if i%4 > 1 {
			format = Protobuf
		}
		p := NewPage(format, table, sink, Limits{}, nil)
		p.Expect(sink.lines, sink)
		if _, err := p.Write([]byte(pages[format])); err != nil || p.Close(true) != nil {
			t.Fatal(err)
		}
		sink.lines = p.Lines()
		if (sink.lines != nil) != (format == Text) {
			t.Fatalf("page %d has lines %v", i, sink.lines)
		}
		c.lines = nil
		if err := readPage(format, plain, c, pages[format], true); err != nil || p.Samples() != len(c.lines) {
			t.Fatalf("page %d: %d samples, want %d (%v)", i, p.Samples(), len(c.lines), err)
		}
	}
	empty := NewPage(Protobuf, table, sink, Limits{}, nil)
	empty.Expect(sink.lines, sink)
	if err := empty.Close(true); err != nil || empty.Lines() != nil || empty.Samples() != 0 {
		t.Error(err, empty.Lines(), empty.Samples())
	}
}
