package exposition

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

// collector is a Sink that writes down what it is told.
type collector struct {
	mu    sync.Mutex
	slots map[string]Slot
	ids   []SeriesID
	lines []string
	metas []string
	times []int64 // of each line; -1 where there is none
	at    []Slot
	vals  []float64

	exemplars map[int]string // by sample of the page: as Exemplar had it
	copies    map[int]*Exemplar
}

func newCollector() *collector { return &collector{slots: map[string]Slot{}} }

func (c *collector) Slot(id SeriesID) Slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := lineKey(id)
	slot, ok := c.slots[key]
	if !ok {
		slot = Slot(len(c.ids))
		c.slots[key] = slot
		id.Labels = slices.Clone(id.Labels)
		c.ids = append(c.ids, id)
	}
	return slot
}

var partNames = [...]string{"", "bucket", "sum", "count", "quantile", "created"}

// describe is an id for a person: family type part bound {labels}.
func describe(id SeriesID) string {
	s := []string{id.Family, id.Type.String()}
	if id.Part != PartValue {
		s = append(s, partNames[id.Part])
	}
	if id.Part == PartBucket || id.Part == PartQuantile {
		s = append(s, string(AppendBound(nil, id.Bound)))
	}
	for _, l := range id.Labels {
		s = append(s, fmt.Sprintf("%s=%q", l.Name, l.Value))
	}
	return strings.Join(s, " ")
}

func (c *collector) Sample(slot Slot, value float64, timestamp int64, hasTimestamp bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := describe(c.ids[slot]) + " = " + string(AppendFloat(nil, value))
	if hasTimestamp {
		line += fmt.Sprintf(" @%d", timestamp)
	} else {
		timestamp = -1
	}
	c.lines = append(c.lines, line)
	c.times, c.at, c.vals = append(c.times, timestamp), append(c.at, slot), append(c.vals, value)
}

func (c *collector) Meta(family string, typ Type, help, unit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.metas = append(c.metas, fmt.Sprintf("%s %s %q %q", family, typ, help, unit))
}

func (c *collector) Exemplar(at int, x RawExemplar) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exemplars == nil {
		c.exemplars, c.copies = map[int]string{}, map[int]*Exemplar{}
	}
	var labels []string
	for i := 1; x.Labels[i] != '}'; {
		name, value, next := cutLabel(x.Labels, i)
		labels = append(labels, fmt.Sprintf("%q=%q", name, value))
		i = next
	}
	slices.Sort(labels)
	c.exemplars[at] += exemplarText(labels, x.Value, int64(x.Timestamp*1000)) // one that comes twice is seen
	c.copies[at] = x.Copy()
}

func exemplarText(labels []string, value float64, ms int64) string {
	if math.IsNaN(value) {
		value = math.NaN() // every NaN is one
	}
	return fmt.Sprintf(" # %q %x %d", labels, bitsOf([]float64{value}), ms)
}

// readPage reads a whole page.
func readPage(format Format, table *Table, sink Sink, body string, told bool) error {
	p := NewPage(format, table, sink, Limits{}, nil)
	if _, err := p.Write([]byte(body)); err != nil {
		return err
	}
	return p.Close(told)
}

func TestReadText(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		c, table := newCollector(), NewTable(1000)
		for range 2 { // the second time the table knows the lines
			c.lines = nil
			if err := readPage(Text, table, c, body, true); err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			if got := strings.Join(c.lines, "\n"); got != strings.Join(want, "\n") {
				t.Fatalf("%q:\n%s\nwant:\n%s", body, got, strings.Join(want, "\n"))
			}
		}
	}
	f("")
	f("\n# a comment\n#another\n")
	f("x 1\n", `x unknown = 1`)
	f("x 1", `x unknown = 1`) // no final newline, length told
	f("x{b=\"2\",a=\"1\"} 1\r\nx{ a = \"1\" , b = \"2\" , } 2 1234\r\n", `x unknown a="1" b="2" = 1`, `x unknown a="1" b="2" = 2 @1234`)
	f("# TYPE x counter\nx 1\nx_total 2\n", `x counter = 1`, `x_total counter = 2`)
	f("# TYPE x_total counter\nx_total{k=\"\"} 1e3\n", `x_total counter k="" = 1000`)
	f("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"1e+00\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n",
		`h histogram bucket 1.0 = 1`, `h histogram bucket 1.0 = 1`, `h histogram bucket 1.0 = 1`, `h histogram bucket +Inf = 2`,
		`h histogram sum = 3`, `h histogram count = 2`)
	f("# TYPE s summary\ns{quantile=\"0.5\",a=\"b\"} NaN\ns_sum -1\ns_count 2\n", `s summary quantile 0.5 a="b" = NaN`, `s summary sum = -1`, `s summary count = 2`)
	// A counter x_sum beside a histogram x: each goes by the family it stands under.
	f("# TYPE x histogram\nx_sum 1\n# TYPE x_sum counter\nx_sum 2\n", `x histogram sum = 1`, `x_sum counter = 2`)
	f("# TYPE x_sum counter\nx_sum 2\n# TYPE x histogram\nx_sum 1\n", `x_sum counter = 2`, `x histogram sum = 1`)
	f("# TYPE x histogram\n# TYPE y gauge\ny 1\nx_sum 2\n", `y gauge = 1`, `x histogram sum = 2`) // torn apart
	f("# TYPE x_bucket counter\nx_bucket 1\n# TYPE x histogram\nx_bucket 2\n", `x_bucket counter = 1`, `x_bucket counter = 2`)
	// client_python's start times.
	f("# TYPE x_total counter\nx_total 1\n# TYPE x_created gauge\nx_created 1.5e9\n", `x_total counter = 1`, `x_total counter created = 1500000000`)
	f("# TYPE h histogram\nh_count 1\n# TYPE h_created gauge\nh_created{a=\"b\"} 5\n", `h histogram count = 1`, `h histogram created a="b" = 5`)
	f("# TYPE x_created gauge\nx_created 5\n", `x_created gauge = 5`)
	f("{\"my.metric\",\"a.b\"=\"c\"} 1\n{\"q\"} 2\n", `my.metric unknown a.b="c" = 1`, `q unknown = 2`)
	f(`x{a="\\\"\n\x"} 1`, `x unknown a="\\\"\n\\x" = 1`)
	f("x -0\nx +Inf\nx -Inf\nx 9007199254740993\nx 0.1\nx 5e-324\n", `x unknown = -0`, `x unknown = +Inf`, `x unknown = -Inf`,
		`x unknown = 9.007199254740992e+15`, `x unknown = 0.1`, `x unknown = 5e-324`)
	f("x{le=\"1\",quantile=\"2\",pid=\"3\",instance=\"4\"} 1\n", `x unknown instance="4" le="1" pid="3" quantile="2" = 1`)
}

func TestReadOpenMetrics(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		c := newCollector()
		if err := readPage(OpenMetrics, NewTable(1000), c, body, false); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if got := strings.Join(c.lines, "\n"); got != strings.Join(want, "\n") {
			t.Fatalf("%q:\n%s\nwant:\n%s", body, got, strings.Join(want, "\n"))
		}
	}
	f("# EOF\n")
	f("# EOF")
	f("# TYPE x counter\nx_total 1\nx_created 5\n# EOF\n", `x_total counter = 1`, `x_total counter created = 5`)
	f("# TYPE x counter\nx_total{a=\"b\"} 1 1.5 # {id=\"7\"} 0.5 1.25\n# EOF\n", `x_total counter a="b" = 1 @1500`)
	f("# TYPE h histogram\nh_bucket{le=\"1\"} 1 # {} 0.5\nh_count 1\nh_sum 1\nh_created 3\n# EOF\n", `h histogram bucket 1.0 = 1`,
		`h histogram count = 1`, `h histogram sum = 1`, `h histogram created = 3`)
	f("# TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 1\ng_gcount 1\ng_gsum 2\n# EOF\n", `g gaugehistogram bucket +Inf = 1`,
		`g gaugehistogram count = 1`, `g gaugehistogram sum = 2`)
	f("# TYPE b info\nb_info{v=\"1\"} 1\n# TYPE s stateset\ns{s=\"on\"} 1\n# EOF\n", `b_info info v="1" = 1`, `s stateset s="on" = 1`)
	f("# TYPE u unknown\nu 1\nother 2\n# EOF\n", `u unknown = 1`, `other unknown = 2`)
}

func TestRefusedPages(t *testing.T) {
	f := func(format Format, told bool, body, want string) {
		t.Helper()
		err := readPage(format, NewTable(1000), newCollector(), body, told)
		var parse *ParseError
		if !errors.As(err, &parse) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", body, err, want)
		}
	}
	f(Text, false, "x 12", "not whole") // of 123
	f(Text, true, "<html><body>502 Bad Gateway</body></html>", `line 1: a metric name is expected: "<html>`)
	f(Text, true, "x 1\nx{a=\"b\" 2\n", "line 2")
	f(Text, true, "x{a=\"\xff\"} 1\n", "UTF-8")
	f(Text, true, "x{a=\"1\",a=\"2\"} 1\n", "twice")
	f(Text, true, "x{__name__=\"y\"} 1\n", "twice")
	f(Text, true, "x{\"\"=\"b\"} 1\n", "empty")
	f(Text, true, "# TYPE x histogram\nx_bucket 1\n", "line 2: a bucket needs a label le")
	f(Text, true, "# TYPE x histogram\nx_bucket{le=\"a\"} 1\n", "line 2: a bucket needs a label le")
	f(OpenMetrics, true, "# TYPE x gaugehistogram\nx_bucket{le=\"NaN\"} 1\n# EOF\n", "a bucket needs a label le")
	f(Text, true, "x\n", "number")
	f(Text, true, "x 1_0\n", "number")
	f(Text, true, "x 0x1p1\n", "number")
	f(Text, true, "x 1 2 3\n", "follows")
	f(Text, true, "x 1 1.5\n", "timestamp")
	f(Text, true, "# TYPE x banana\n", "type")
	f(Text, true, "x{"+strings.Repeat("a", 2<<20)+"} 1\n", "1 MiB")
	f(OpenMetrics, true, "x 1\n", "without # EOF")
	f(OpenMetrics, true, "# EOF\nx 1\n", "after # EOF")
	f(OpenMetrics, true, "x 1\n\n# EOF\n", "blank")
	f(OpenMetrics, true, "# just a comment\n# EOF\n", "comment")
	f(OpenMetrics, true, "x  1\n# EOF\n", "number")
	f(OpenMetrics, true, "# TYPE x counter\n# UNIT x seconds\n# EOF\n", "unit")
	for _, labels := range []string{`{a="b"`, `{a="b"c="d"}`, `{1a="b"}`, `{a:b="c"}`, `{"a"}`, `{,}`, "{a=\"\xff\"}", `{a}`, `{a=}`, `{="b"}`} {
		f(OpenMetrics, true, "# TYPE x counter\nx_total 1 # "+labels+" 1\n# EOF\n", "exemplar")
	}
}

func TestLimits(t *testing.T) {
	f := func(limits Limits, body, want string) {
		t.Helper()
		p := NewPage(Text, NewTable(1000), newCollector(), limits, nil)
		_, err := p.Write([]byte(body))
		var limit *LimitError
		if want == "" {
			if err != nil || p.Close(true) != nil {
				t.Errorf("%q: %v", body, err)
			}
		} else if !errors.As(err, &limit) || limit.Key != want || p.Close(true) == nil {
			t.Errorf("%q: %v, want %s", body, err, want)
		}
	}
	f(Limits{Samples: 2}, "x 1\ny 2\n", "")
	f(Limits{Samples: 2}, "x 1\ny 2\nz 3\n", "sample_limit")
	f(Limits{Labels: 1}, "x{a=\"1\"} 1\n", "")
	f(Limits{Labels: 1}, "x{a=\"1\",b=\"2\"} 1\n", "label_limit")
	f(Limits{LabelNameLength: 2}, "x{abc=\"1\"} 1\n", "label_name_length_limit")
	f(Limits{LabelValueLength: 2}, "x{a=\"123\"} 1\n", "label_value_length_limit")
	f(Limits{LabelValueLength: 2}, "name 1\n", "label_value_length_limit")
}

func TestRelabel(t *testing.T) {
	calls := 0
	relabel := func(name string, labels Labels) (string, Labels, bool) {
		calls++
		switch {
		case strings.HasPrefix(name, "drop"):
			return "", nil, false
		case strings.HasPrefix(name, "h_"):
			return "renamed" + strings.TrimPrefix(name, "h"), labels, true
		case name == "x_total":
			return "plain", labels, true
		}
		return name, append(Labels{{"z", "1"}}, labels...), true
	}
	c, table := newCollector(), NewTable(1000)
	body := "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 2\n# TYPE x_total counter\nx_total 3\ndrop_me 4\ny{a=\"b\"} 5\n"
	for range 2 {
		c.lines = nil
		p := NewPage(Text, table, c, Limits{Samples: 4}, relabel)
		if _, err := p.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
		want := "renamed histogram bucket 1.0 = 1\nrenamed histogram sum = 2\nplain counter = 3\ny unknown a=\"b\" z=\"1\" = 5"
		if got := strings.Join(c.lines, "\n"); got != want {
			t.Fatalf("%s\nwant:\n%s", got, want)
		}
	}
	if calls != 5+2 { // lines of an undeclared family after a declared one are read anew each time
		t.Errorf("relabeled %d times", calls)
	}
}

// TestOneTextUnderTwoDeclarations shares a table between workers whose pages declare the same names differently.
func TestOneTextUnderTwoDeclarations(t *testing.T) {
	c, table := newCollector(), NewTable(1000)
	for _, body := range []string{
		"x 1\n", "# TYPE x gauge\nx 1\n", "# TYPE x counter\nx 1\n", "x 1\n",
		"# TYPE h histogram\nh_count 1\n# TYPE h_created gauge\nh_created 2\n", "# TYPE h_created gauge\nh_created 2\n",
	} {
		if err := readPage(Text, table, c, body, true); err != nil {
			t.Fatal(err)
		}
	}
	want := "x unknown = 1\nx gauge = 1\nx counter = 1\nx unknown = 1\nh histogram count = 1\nh histogram created = 2\nh_created gauge = 2"
	if got := strings.Join(c.lines, "\n"); got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
}

func TestMeta(t *testing.T) {
	c := newCollector()
	body := "# HELP x_seconds a\\nb \\\\ c\n# TYPE x_seconds counter\n# UNIT x_seconds seconds\nx_seconds_total 1\nx_seconds_total{a=\"b\"} 1\n# HELP empty never shown\n# TYPE y gauge\nstray 1\ny 1\n# EOF\n"
	if err := readPage(OpenMetrics, NewTable(100), c, body, true); err != nil {
		t.Fatal(err)
	}
	want := `x_seconds_total counter "a\nb \\ c" "seconds"|y gauge "" ""`
	if got := strings.Join(c.metas, "|"); got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
}

// client_golang writes the gauge go_memstats_alloc_bytes and the counter go_memstats_alloc_bytes_total so.
func TestMetaOfTwoFamiliesUnderOneName(t *testing.T) {
	c := newCollector()
	page := "# HELP x In use.\n# TYPE x gauge\nx 1\n# HELP x Ever.\n# TYPE x counter\nx_total 2\n# EOF\n"
	if err := readPage(OpenMetrics, NewTable(100), c, page, true); err != nil {
		t.Fatal(err)
	}
	want := `x gauge "In use." ""|x_total counter "Ever." ""`
	if got := strings.Join(c.metas, "|"); got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
}

func TestTableIsBounded(t *testing.T) {
	c, table := newCollector(), NewTable(10)
	for i := range 100 {
		if err := readPage(Text, table, c, fmt.Sprintf("x{a=\"%d\"} %d\n", i, i), true); err != nil {
			t.Fatal(err)
		}
	}
	if n := table.index.Load().lines(); n > 10 || len(c.lines) != 100 {
		t.Errorf("%d entries, %d lines", n, len(c.lines))
	}
}

func TestPagesShareATable(t *testing.T) {
	c, table := newCollector(), NewTable(50)
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for i := range 200 {
				body := fmt.Sprintf("# TYPE x counter\nx{w=\"%d\"} %d\nx{i=\"%d\"} 1\n", w, i, i)
				if err := readPage(Text, table, c, body, true); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if len(c.lines) != 8*200*2 {
		t.Errorf("%d lines", len(c.lines))
	}
}

// TestKnownLinesAllocateNothing counts what a page of known lines costs, and that more lines cost no more.
func TestKnownLinesAllocateNothing(t *testing.T) {
	measure := func(format Format, lines int, tail string) float64 {
		var b strings.Builder
		b.WriteString("# HELP x help\n# TYPE x counter\n")
		for i := range lines {
			fmt.Fprintf(&b, "x_total{a=\"some value\",i=\"%d\"} %d.5%s\n", i, i, tail)
		}
		if format == OpenMetrics {
			b.WriteString("# EOF\n")
		}
		body, table, sink := []byte(b.String()), NewTable(1<<20), &discard{slots: map[string]Slot{}}
		read := func() {
			p := NewPage(format, table, sink, Limits{}, nil)
			if _, err := p.Write(body); err != nil || p.Close(true) != nil {
				t.Fatal(err)
			}
		}
		read()
		if want := strings.Count(b.String(), " # {"); sink.exemplars != want {
			t.Errorf("%d exemplars, want %d", sink.exemplars, want)
		}
		return testing.AllocsPerRun(10, read)
	}
	for _, c := range []struct {
		format Format
		tail   string
	}{{Text, ""}, {Text, " 1234567"}, {OpenMetrics, ""}, {OpenMetrics, " 1.5 # {trace_id=\"abc\"} 0.25 1.5"}} {
		few, many := measure(c.format, 10, c.tail), measure(c.format, 2000, c.tail)
		if many > few {
			t.Errorf("format %d, %q: 10 lines allocate %v times, 2000 lines %v times", c.format, c.tail, few, many)
		}
	}
}

// discard is a Sink that keeps nothing but slots.
type discard struct {
	slots     map[string]Slot
	exemplars int
}

func (d *discard) Slot(id SeriesID) Slot {
	key := lineKey(id)
	if slot, ok := d.slots[key]; ok {
		return slot
	}
	slot := Slot(len(d.slots))
	d.slots[key] = slot
	return slot
}
func (*discard) Sample(Slot, float64, int64, bool) {}
func (*discard) Meta(string, Type, string, string) {}
func (d *discard) Exemplar(int, RawExemplar)       { d.exemplars++ }

func TestSniff(t *testing.T) {
	for body, want := range map[string]Format{
		"x 1\n# EOF\n": OpenMetrics, "# EOF": OpenMetrics, "x 1\n": Text, "": Text, "x{a=\"# EOF": Text, "x 1\n# EOF\n \r\n": OpenMetrics,
	} {
		if got := SniffFormat([]byte(body)); got != want {
			t.Errorf("%q is %d", body, got)
		}
	}
	for ct, want := range map[string]string{
		"text/plain; version=0.0.4": "0 true", "application/openmetrics-text; version=1.0.0; charset=utf-8": "1 true",
		"": "0 false", "text/html": "0 false", ";;": "0 false", "application/json": "0 false",
	} {
		format, known := FormatOf(ct)
		if got := fmt.Sprint(uint8(format), known); got != want {
			t.Errorf("%q is %s, want %s", ct, got, want)
		}
	}
}

func TestFloats(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", -3: "-3", 1.5: "1.5", 1e15: "1e+15", 123456789012345: "123456789012345", math.Inf(1): "+Inf", math.Inf(-1): "-Inf",
		1e-7: "1e-07", 9007199254740993: "9.007199254740992e+15",
	} {
		if got := string(AppendFloat(nil, v)); got != want {
			t.Errorf("%v is %s, want %s", v, got, want)
		}
	}
	for v, want := range map[float64]string{1: "1.0", 0.5: "0.5", math.Inf(1): "+Inf", 1e21: "1e+21", -2: "-2.0"} {
		if got := string(AppendBound(nil, v)); got != want {
			t.Errorf("bound %v is %s, want %s", v, got, want)
		}
	}
}

// full is a Sink that refuses everything until it has room.
type full struct {
	*collector
	room bool
}

func (f *full) Slot(id SeriesID) Slot {
	if !f.room {
		return NoSlot
	}
	return f.collector.Slot(id)
}

func TestRefusedLinesAreAskedForAgain(t *testing.T) {
	sink, table := &full{collector: newCollector()}, NewTable(100)
	for _, sink.room = range []bool{false, true} {
		if err := readPage(Text, table, sink, "# TYPE x counter\nx 1\n", true); err != nil {
			t.Fatal(err)
		}
	}
	if len(sink.lines) != 1 {
		t.Errorf("%d lines are taken once there is room", len(sink.lines))
	}
}
