package exposition

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// allTypes is one family of each type.
var allTypes = []Family{
	{Name: "b_info", Type: Info, Help: "build", Series: []Series{{Labels: Labels{{"v", "1"}}, Value: 1}}},
	{Name: "c_seconds_total", Type: Counter, Help: "a \\ b\nc \"d\"", Unit: "seconds", Series: []Series{
		{Value: 3, Start: 1.5, Exemplar: &Exemplar{Labels: Labels{{"id", "7"}}, Value: 0.5, Timestamp: 1.25}},
		{Labels: Labels{{"a", "x\ny\"z\\"}}, Value: 0.1},
	}},
	{Name: "empty", Type: Gauge},
	{Name: "g", Type: Gauge, Series: []Series{{Value: math.NaN()}, {Labels: Labels{{"k", ""}}, Value: math.Inf(-1)}}},
	{Name: "gh", Type: GaugeHistogram, Series: []Series{{
		HasCount: true, Count: 2, HasSum: true, Sum: 3, Buckets: []Bucket{{UpperBound: 1, Count: 1}, {UpperBound: math.Inf(1), Count: 2}},
	}}},
	{Name: "h", Type: Histogram, Help: "hist", Series: []Series{{
		Labels: Labels{{"a", "b"}}, HasCount: true, Count: 2, HasSum: true, Sum: -3.5, Start: 7,
		Buckets: []Bucket{{UpperBound: 0.5, Count: 1, Exemplar: &Exemplar{Value: 0.25}}, {UpperBound: math.Inf(1), Count: 2}},
	}}},
	{Name: "odd", Type: Counter, Series: []Series{{Value: 1e15}}},
	{Name: "s", Type: Summary, Series: []Series{{HasSum: true, Sum: 1, HasCount: true, Count: 2, Quantiles: []Quantile{{0.5, 0.25}}}}},
	{Name: "st", Type: StateSet, Series: []Series{{Labels: Labels{{"st", "on"}}, Value: 1}}},
	{Name: "u", Type: Unknown, Series: []Series{{Value: 2}}},
}

// encodeWhole writes families that were not taken apart: the second opinion on forms.
func encodeWhole(w io.Writer, enc Encoding, families []Family) error {
	e := encoders.Get().(*encoder) //nolint:forcetypeassert // nothing else is put there
	defer e.release()
	e.w, e.enc = w, enc
	for i := range families {
		if e.all(&families[i]); e.err != nil {
			return e.err
		}
	}
	return e.end()
}

func encode(t testing.TB, accept string, families []Family) string {
	t.Helper()
	var b bytes.Buffer
	if err := encodeWhole(&b, Negotiate(accept), families); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEncodeText(t *testing.T) {
	const want = `# HELP b_info build
# TYPE b_info gauge
b_info{v="1"} 1
# HELP c_seconds_total a \\ b\nc "d"
# TYPE c_seconds_total counter
c_seconds_total 3
c_seconds_total{a="x\ny\"z\\"} 0.1
# HELP c_seconds_created a \\ b\nc "d"
# TYPE c_seconds_created gauge
c_seconds_created 1.5
# TYPE g gauge
g NaN
g{k=""} -Inf
# TYPE gh histogram
gh_bucket{le="1.0"} 1
gh_bucket{le="+Inf"} 2
# TYPE gh_gcount gauge
gh_gcount 2
# TYPE gh_gsum gauge
gh_gsum 3
# HELP h hist
# TYPE h histogram
h_bucket{a="b",le="0.5"} 1
h_bucket{a="b",le="+Inf"} 2
h_sum{a="b"} -3.5
h_count{a="b"} 2
# HELP h_created hist
# TYPE h_created gauge
h_created{a="b"} 7
# TYPE odd counter
odd 1e+15
# TYPE s summary
s{quantile="0.5"} 0.25
s_sum 1
s_count 2
# TYPE st gauge
st{st="on"} 1
# TYPE u untyped
u 2
`
	got := encode(t, "", allTypes)
	if got != want {
		t.Errorf("got:\n%s", got)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(got)); err != nil {
		t.Errorf("expfmt: %v", err)
	}
	sameSamples(t, Text, got, textparse.NewPromParser([]byte(got), labels.NewSymbolTable(), false))
}

func TestEncodeOpenMetrics(t *testing.T) {
	const want = `# TYPE b info
# HELP b build
b_info{v="1"} 1
# TYPE c_seconds counter
# UNIT c_seconds seconds
# HELP c_seconds a \\ b\nc \"d\"
c_seconds_total 3 # {id="7"} 0.5 1.25
c_seconds_created 1.5
c_seconds_total{a="x\ny\"z\\"} 0.1
# TYPE g gauge
g NaN
g{k=""} -Inf
# TYPE gh gaugehistogram
gh_bucket{le="1.0"} 1
gh_bucket{le="+Inf"} 2
gh_gsum 3
gh_gcount 2
# TYPE h histogram
# HELP h hist
h_bucket{a="b",le="0.5"} 1 # {} 0.25
h_bucket{a="b",le="+Inf"} 2
h_sum{a="b"} -3.5
h_count{a="b"} 2
h_created{a="b"} 7
# TYPE odd unknown
odd 1e+15
# TYPE s summary
s{quantile="0.5"} 0.25
s_sum 1
s_count 2
# TYPE st stateset
st{st="on"} 1
# TYPE u unknown
u 2
# EOF
`
	got := encode(t, "application/openmetrics-text;version=1.0.0", allTypes)
	if got != want {
		t.Errorf("got:\n%s", got)
	}
	sameSamples(t, OpenMetrics, got, textparse.NewOpenMetricsParser([]byte(got), labels.NewSymbolTable()))
}

// sameSamples reads a page back both ways.
func sameSamples(t *testing.T, format Format, page string, other textparse.Parser) {
	t.Helper()
	c := newCollector()
	if err := readPage(format, NewTable(1000), c, page, false); err != nil {
		t.Fatal(err)
	}
	want, err := secondOpinion(other)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range c.at {
		got = append(got, c.rebuilt(i))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEscaping(t *testing.T) {
	families := []Family{{Name: "my.metric", Type: Gauge, Help: "h", Series: []Series{{Labels: Labels{{"a.b", "c"}}, Value: 1}}}}
	for accept, want := range map[string]string{
		"text/plain;version=0.0.4":                      "# HELP my_metric h\n# TYPE my_metric gauge\nmy_metric{a_b=\"c\"} 1\n",
		"text/plain;version=1.0.0;escaping=allow-utf-8": "# HELP \"my.metric\" h\n# TYPE \"my.metric\" gauge\n{\"my.metric\",\"a.b\"=\"c\"} 1\n",
		"text/plain;escaping=dots":                      "# HELP my_dot_metric h\n# TYPE my_dot_metric gauge\nmy_dot_metric{a_dot_b=\"c\"} 1\n",
	} {
		if got := encode(t, accept, families); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", accept, got, want)
		}
	}
}

func TestNegotiate(t *testing.T) {
	// prometheus3 is what Prometheus 3 sends by default, without protobuf.
	const prometheus3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	for accept, want := range map[string]string{
		"":                 "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
		"*/*":              "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
		"application/json": "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
		prometheus3:        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1": "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
		"application/openmetrics-text":                                  "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores",
		"application/openmetrics-text;version=2.0.0, text/plain;q=0.1":  "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
		"application/vnd.google.protobuf;q=0.9,text/plain;q=0.5,,;;q=x": "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
	} {
		if got := Negotiate(accept).ContentType(); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}

// FuzzTextRoundTrip reads a page, writes what it said as one untyped or typed line each, and reads that.
func FuzzTextRoundTrip(f *testing.F) {
	seeds(f, "x{a=\"\\\\\"} 1\n", "{\"a b\",\"c\\\"d\"=\"e\\nf\"} -0\n")
	f.Fuzz(func(t *testing.T, body []byte) {
		first := newCollector()
		if len(body) > 1<<16 || readPage(Text, NewTable(1000), first, string(body), true) != nil {
			return
		}
		var families []Family
		var want []string
		for i, slot := range first.at {
			if id := first.ids[slot]; id.Part == PartValue {
				families = append(families, Family{Name: id.Family, Type: id.Type, Series: []Series{{Labels: id.Labels, Value: first.vals[i]}}})
				want = append(want, describe(SeriesID{Family: id.Family, Labels: id.Labels})+" = "+string(AppendFloat(nil, first.vals[i])))
			}
		}
		second := newCollector()
		page := encode(t, "text/plain;version=1.0.0;escaping=allow-utf-8", families)
		if err := readPage(Text, NewTable(1000), second, page, false); err != nil {
			t.Fatalf("%v\n%q", err, page)
		}
		var got []string
		for i, slot := range second.at {
			got = append(got, describe(SeriesID{Family: second.ids[slot].Family, Labels: second.ids[slot].Labels})+" = "+string(AppendFloat(nil, second.vals[i])))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q\n%q\nwant %q", page, got, want)
		}
	})
}

func BenchmarkReadKnownLines(b *testing.B) {
	var page strings.Builder
	page.WriteString("# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n")
	for i := range 2000 {
		page.WriteString("http_requests_total{method=\"GET\",path=\"/some/path/" + string(AppendFloat(nil, float64(i))) + "\",code=\"200\"} 12345\n")
	}
	body, table, sink := []byte(page.String()), NewTable(1<<20), &repeater{discard: discard{slots: map[string]Slot{}}}
	b.Run("expected", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			p := NewPage(Text, table, sink, Limits{}, nil)
			p.Expect(sink.lines, sink)
			if _, err := p.Write(body); err != nil || p.Close(true) != nil {
				b.Fatal(err)
			}
			sink.lines = p.Lines()
		}
	})
	b.Run("as others", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			p := NewPage(Text, table, sink, Limits{}, nil)
			p.Expect(nil, sink)
			if _, err := p.Write(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by text", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			p := NewPage(Text, table, sink, Limits{}, nil)
			if _, err := p.Write(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("textparse", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			p := textparse.NewPromParser(body, labels.NewSymbolTable(), false)
			var lset labels.Labels
			for {
				entry, err := p.Next()
				if err != nil {
					break
				}
				if entry == textparse.EntrySeries {
					p.Labels(&lset)
				}
			}
		}
	})
}

// An exemplar whose only label has no name left once it is escaped has none.
func TestExemplarWhoseOnlyLabelIsHidden(t *testing.T) {
	x, err := readExemplar([]byte(` # {"-_name__"="x"} 1 2`))
	if err != nil || x.Labels == nil {
		t.Fatal(err, x)
	}
	f := []Family{{Name: "a_total", Type: Counter, Series: []Series{{Value: 1, Exemplar: x.Copy()}}}}
	if got := encode(t, "application/openmetrics-text;version=1.0.0;escaping=underscores", f); got != "# TYPE a counter\na_total 1 # {} 1 2\n# EOF\n" {
		t.Errorf("%q", got)
	}
}
