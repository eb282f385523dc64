package exposition

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// worker is a Repeater that knows its last page, and gives each page as what a plain Sink would have been told.
type worker struct {
	*collector
	table  *Table
	lines  *Lines
	slots  []Slot // of the last page
	metas  []string
	values []float64
	stamps map[Slot]int64

	diverged bool
	length   int64 // that the next page tells
	foreseen []int // samples, each time
	came     []int // samples by then
}

func newWorker(c *collector, table *Table) *worker { return &worker{collector: c, table: table} }

func (w *worker) Room(n int) []float64 {
	w.values = slices.Grow(w.values, n)
	return w.values[:n]
}

func (w *worker) Foresee(n int) {
	w.foreseen = append(w.foreseen, n)
	w.came = append(w.came, len(w.values))
}

func (w *worker) Repeat(n int) { w.values = w.values[:n] }

func (w *worker) Stamp(slot Slot, ms int64) {
	if _, twice := w.stamps[slot]; !twice {
		w.stamps[slot] = ms
	}
}

func (w *worker) Diverge(slots []Slot) {
	w.diverged = true
	if len(slots) != len(w.values) {
		panic(fmt.Sprintf("%d slots for %d values", len(slots), len(w.values)))
	}
	w.at = append(w.at, slots...)
}

func (w *worker) Sample(slot Slot, value float64, ms int64, stamped bool) {
	w.at, w.values = append(w.at, slot), append(w.values, value)
	if stamped {
		w.Stamp(slot, ms)
	}
}

// lineSlots are those of the page's lines, as far as its table still has them.
func (w *worker) lineSlots() (slots []Slot) {
	x := w.table.index.Load()
	if w.lines == nil || w.lines.epoch != x.epoch {
		return w.at
	}
	for _, e := range w.lines.entries {
		if slot := x.known[e].slot; slot >= 0 {
			slots = append(slots, slot)
		}
	}
	return slots
}

// told is all that a page says.
type told struct {
	slots  []Slot
	values []uint64
	stamps map[Slot]int64
	metas  []string

	exemplars map[int]string
}

// page reads one more page, in pieces.
func (w *worker) page(format Format, body []byte, cut func(int) int) (told, error) {
	return w.pageTo(w, format, body, cut)
}

// pageTo is page with a sink that is the worker but for its slots.
func (w *worker) pageTo(sink Repeater, format Format, body []byte, cut func(int) int) (told, error) {
	w.at, w.values, w.stamps, w.collector.metas, w.diverged = nil, nil, map[Slot]int64{}, nil, false
	w.exemplars = nil
	p := NewPage(format, w.table, sink, Limits{}, nil)
	p.Expect(w.lines, sink)
	p.Foresee(w.length)
	for len(body) > 0 {
		n := min(max(1, cut(len(body))), len(body))
		if _, err := p.Write(slices.Clone(body[:n])); err != nil {
			return told{}, err
		}
		body = body[n:]
	}
	if err := p.Close(true); err != nil {
		return told{}, err
	}
	if same := w.lines != nil && p.Lines() == w.lines; same == w.diverged {
		panic("Lines and Diverge disagree")
	}
	if !w.diverged {
		w.at, w.collector.metas = w.slots, w.metas
	}
	w.lines, w.slots, w.metas = p.Lines(), w.at, w.collector.metas
	if w.lines != nil && w.lines.Samples() != len(w.at) {
		panic(fmt.Sprintf("lines have %d samples, the page %d", w.lines.Samples(), len(w.at)))
	}
	if has := w.lineSlots(); w.lines != nil && !slices.Equal(has, w.at) {
		panic(fmt.Sprintf("lines have slots %v, the page %v", has, w.at))
	}
	return told{w.at, bitsOf(w.values), w.stamps, w.collector.metas, w.exemplars}, nil
}

// plain reads the page without any expectation.
func plain(c *collector, format Format, body []byte) (told, error) {
	c.at, c.vals, c.times, c.metas, c.lines, c.exemplars = nil, nil, nil, nil, nil, nil
	if err := readPage(format, NewTable(10_000), c, string(body), true); err != nil {
		return told{}, err
	}
	stamps := map[Slot]int64{}
	for i, ms := range c.times {
		if _, twice := stamps[c.at[i]]; ms >= 0 && !twice {
			stamps[c.at[i]] = ms
		}
	}
	return told{c.at, bitsOf(c.vals), stamps, c.metas, c.exemplars}, nil
}

func bitsOf(values []float64) []uint64 {
	out := make([]uint64, len(values))
	for i, v := range values {
		out[i] = math.Float64bits(v)
	}
	return out
}

func (a told) differs(b told) string {
	switch {
	case !slices.Equal(a.slots, b.slots):
		return fmt.Sprintf("slots %v, plain %v", a.slots, b.slots)
	case !slices.Equal(a.values, b.values):
		return fmt.Sprintf("values %v, plain %v", a.values, b.values)
	case !slices.Equal(a.metas, b.metas):
		return fmt.Sprintf("metas %q, plain %q", a.metas, b.metas)
	case fmt.Sprint(a.stamps) != fmt.Sprint(b.stamps):
		return fmt.Sprintf("timestamps %v, plain %v", a.stamps, b.stamps)
	case !maps.Equal(a.exemplars, b.exemplars):
		return fmt.Sprintf("exemplars %v, plain %v", a.exemplars, b.exemplars)
	}
	return ""
}

// pageOf writes lines as a page.
func pageOf(format Format, lines []string) []byte {
	body := []byte(strings.Join(lines, "\n"))
	if len(lines) > 0 {
		body = append(body, '\n')
	}
	if format == OpenMetrics {
		body = append(body, "# EOF\n"...)
	}
	return body
}

var someNumbers = []string{
	"0", "1", "7", "12345678", "123456789", "1234567890123456", "12345678901234567", "99999999999999999999", "1.0", "0.5", "123456.789",
	"1e6", "-3", "+4", "NaN", "+Inf", "0.1234567890123456789", "12345678.12345678", "1.", ".5", "00012", "9007199254740993", "3.14159265358979",
}

// mutate makes the next page of a worker: new numbers, and lines that come, go and change places.
func mutate(r *rand.Rand, format Format, lines []string) []string {
	lines = slices.Clone(lines)
	for range r.IntN(4) {
		at := r.IntN(len(lines) + 1)
		switch r.IntN(6) {
		case 0:
			lines = slices.Insert(lines, at, fmt.Sprintf("new_%d{a=\"%d\"} 1", r.IntN(5), r.IntN(5)))
		case 1:
			end := min(len(lines), at+r.IntN(4))
			lines = slices.Delete(lines, at, end)
		case 2:
			if other := r.IntN(len(lines) + 1); at < len(lines) && other < len(lines) {
				lines[at], lines[other] = lines[other], lines[at]
			}
		case 3:
			if at < len(lines) && strings.HasPrefix(lines[at], "# HELP") {
				lines[at] += " and more"
				continue
			}
			lines = slices.Insert(lines, at, fmt.Sprintf("# TYPE %s gauge", []string{"x", "y", "z"}[r.IntN(3)]))
		case 4:
			if format == Text {
				lines = slices.Insert(lines, at, []string{"", "# a remark", " \t", "\tx 1", "y  2", "x 3\r", "y 1 2 ", "x {a=\"1\"} 4", "\r# odd"}[r.IntN(9)])
				for i, line := range lines {
					if line == "loose 1" && r.IntN(4) == 0 {
						lines[i] = "loose {b=\"d\"} 1"
					}
				}
			}
		case 5: // as in the page of another worker, whose children are in another order
			end := min(len(lines), at+r.IntN(12))
			moved := slices.Clone(lines[at:end])
			lines = slices.Delete(lines, at, end)
			lines = slices.Insert(lines, r.IntN(len(lines)+1), moved...)
		}
	}
	for i, line := range lines {
		if end, err := seriesEnd([]byte(line)); err == nil && line[0] != '#' && r.IntN(2) == 0 {
			lines[i] = line[:end] + " " + someNumbers[r.IntN(len(someNumbers))]
			if r.IntN(20) == 0 {
				lines[i] += " " + strconv.Itoa(r.IntN(1000))
			}
			if format == OpenMetrics && r.IntN(6) == 0 {
				lines[i] += someExemplars[r.IntN(len(someExemplars))]
			}
		}
	}
	return lines
}

var someExemplars = []string{
	" # {trace_id=\"abc\"} 0.25 1.5", " # {} NaN", " # {a=\"b\",c=\"\\\\ } # {\"} 7", " # {a=\"1\",a=\"2\"} 1", " # {long=\"" + strings.Repeat("l", 130) + "\"} 1",
}

var someLines = []string{
	"loose 1", "loose{b=\"c\"} 2",
	"# HELP x help \\\\ of x", "# TYPE x counter", "x_total{a=\"1\"} 1", "x_total{a=\"2\"} 2", "# TYPE y gauge", "# HELP y of y", "y 1", "y{a=\"}\"} 2",
	"# TYPE h histogram", "h_bucket{le=\"1\"} 1", "h_bucket{le=\"+Inf\"} 2", "h_count 2", "h_sum 1.5", "# TYPE h_created gauge", "h_created 1.5e9", "# HELP last of all", "# TYPE last gauge", "last 7",
}

// longLines are long enough to be read in a row, and under no declaration, under two of one type, and under one of another.
var longLines = func() (lines []string) {
	for _, declared := range []string{"# TYPE duration histogram", "# TYPE duration_bucket gauge", "# TYPE other counter"} {
		lines = append(lines, declared)
		for i := range 12 {
			lines = append(lines, fmt.Sprintf("duration_bucket{endpoint=\"/api/{id}/%d\",le=\"%d\"} %d", i/4, i%4, i))
		}
	}
	return lines
}()

func checkSequence(t *testing.T, seed uint64, format Format, lines []string, pages int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	c, table := newCollector(), NewTable(10_000)
	if seed%4 == 0 {
		table = NewTable(9) // it starts anew again and again
	}
	workers := []*worker{newWorker(c, table), newWorker(c, table)}
	for i := range pages {
		if i%3 > 0 {
			lines = mutate(r, format, lines)
		}
		body, w := pageOf(format, lines), workers[r.IntN(2)]
		if r.IntN(30) == 0 {
			body = append(body, "after{which=\"nothing may come\",not=\"even this\"} 1\n"...)
		}
		cut := func(int) int { return 1 << 20 }
		if r.IntN(2) == 0 {
			cut = func(int) int { return 1 + r.IntN(60) }
		}
		w.length = []int64{0, 1, int64(len(body)), 1 << 40}[r.IntN(4)]
		got, err := w.page(format, body, cut)
		want, wantErr := plain(c, format, body)
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("page %d: error %v, plain %v\n%s", i, err, wantErr, body)
		}
		if diff := got.differs(want); diff != "" {
			t.Fatalf("page %d: %s\n%s", i, diff, body)
		}
	}
}

// TestLinesMatchPlain holds pages that are read where lines are expected against pages that are read in full.
func TestLinesMatchPlain(t *testing.T) {
	for seed := range uint64(800) {
		for _, format := range []Format{Text, OpenMetrics} {
			lines := slices.Concat(someLines, longLines)
			if format == Text {
				lines = slices.Concat(lines, slices.Repeat([]string{"long{a=\"" + strings.Repeat("l", 70) + "\"} 17"}, 3))
			}
			checkSequence(t, seed, format, lines, 9)
		}
	}
}

func FuzzLinesMatchPlain(f *testing.F) {
	f.Add(uint64(1), false, []byte(strings.Join(someLines, "\n")))
	f.Add(uint64(2), true, []byte(strings.Join(someLines, "\n")))
	f.Add(uint64(5), false, []byte(strings.Join(longLines, "\n")))
	f.Add(uint64(6), true, []byte(strings.Join(longLines, "\n")))
	f.Add(uint64(3), false, []byte("x{a=\"\\\"\"} 1\r\n\ny 2 3\n x 1"))
	f.Fuzz(func(t *testing.T, seed uint64, open bool, body []byte) {
		if len(body) > 1<<14 {
			return
		}
		format := Text
		if open {
			format = OpenMetrics
		}
		checkSequence(t, seed, format, strings.Split(string(body), "\n"), 6)
	})
}

// TestLineThatIsNone: what no page may have is refused behind the expected lines too.
func TestLineThatIsNone(t *testing.T) {
	w := newWorker(newCollector(), NewTable(100))
	if _, err := w.page(Text, []byte("x 1\n"), func(n int) int { return n }); err != nil {
		t.Fatal(err)
	}
	_, err := w.page(Text, []byte("x 1\n\r# odd\n"), func(n int) int { return n })
	if _, wantErr := plain(newCollector(), Text, []byte("x 1\n\r# odd\n")); err == nil || wantErr == nil || err.Error() != wantErr.Error() {
		t.Errorf("error %v, read in full %v", err, wantErr)
	}
}

// TestLinesThatGrow: what begins like the expected line and is another one.
func TestLinesThatGrow(t *testing.T) {
	for _, then := range []string{
		"# HELP x help and more\n# TYPE x gauge\nx 1\n", "# HELP x help\n# TYPE x gauge\nx {a=\"b\"} 1\n", "z 1\n# TYPE x gauge\nx {a=\"b\"} 1\n",
		"# HELP x help\n# TYPE x gauge\nx 1\n# TYPE z gauge\nx 1\n",
	} {
		for _, piece := range []int{1, 7, 1000} {
			c := newCollector()
			w := newWorker(c, NewTable(100))
			for _, body := range []string{"# HELP x help\n# TYPE x gauge\nx 1\n", then} {
				body += strings.Repeat("# nothing\n", 10)
				got, err := w.page(Text, []byte(body), func(int) int { return piece })
				want, wantErr := plain(c, Text, []byte(body))
				if diff := got.differs(want); diff != "" || err != nil || wantErr != nil {
					t.Errorf("%q in pieces of %d: %s, %v, %v", body, piece, diff, err, wantErr)
				}
			}
		}
	}
}

// TestLinesAsOthersHaveThem: what a worker shows first is read by what another one has shown, and is expected from then on.
func TestLinesAsOthersHaveThem(t *testing.T) {
	c, table, body := newCollector(), NewTable(100), numbered(Text, 20, "")
	for i := range 2 {
		w := newWorker(c, table)
		for page, diverges := range []bool{true, false} {
			if _, err := w.page(Text, body, func(n int) int { return n }); err != nil || w.diverged != diverges {
				t.Errorf("worker %d, page %d: diverged %v, %v", i, page, w.diverged, err)
			}
		}
	}
}

// TestRepeatedLinesAllocateNothing: neither more lines, nor one more than the last page had, cost an allocation a line.
func TestRepeatedLinesAllocateNothing(t *testing.T) {
	measure := func(format Format, lines int, tail string) float64 {
		body := numbered(format, lines, tail)
		table, sink := NewTable(1<<20), &repeater{discard: discard{slots: map[string]Slot{}}}
		read := func(body []byte) {
			p := NewPage(format, table, sink, Limits{}, nil)
			p.Expect(sink.lines, sink)
			if _, err := p.Write(body); err != nil || p.Close(true) != nil {
				t.Fatal(err)
			}
			sink.lines = p.Lines()
		}
		read(body)
		at := bytes.LastIndex(body, []byte("x_total"))
		inserted := slices.Concat(body[:at], []byte("x_total{a=\"inserted\"} 1"+tail+"\n"), body[at:])
		read(inserted)
		sink.exemplars = 0
		read(inserted)
		if want := bytes.Count(inserted, []byte(" # {")); sink.exemplars != want {
			t.Errorf("%d exemplars, want %d", sink.exemplars, want)
		}
		return testing.AllocsPerRun(10, func() {
			read(inserted)
			read(inserted)
			read(body) // lacks a line, and the next one has it again
		})
	}
	for _, c := range []struct {
		format Format
		tail   string
	}{{Text, ""}, {Text, " 1234567"}, {OpenMetrics, ""}, {OpenMetrics, " 1.5 # {trace_id=\"abc\"} 0.25 1.5"}, {OpenMetrics, " # {trace_id=\"abc\",span_id=\"\\\\d\"} 0.25"}} {
		few, many := measure(c.format, 10, c.tail), measure(c.format, 2000, c.tail)
		if many > few {
			t.Errorf("format %d, %q: 10 lines allocate %v times, 2000 lines %v times", c.format, c.tail, few, many)
		}
	}
}

// numbered is a page of so many counters.
func numbered(format Format, lines int, tail string) []byte {
	var b strings.Builder
	b.WriteString("# HELP x help\n# TYPE x counter\n")
	for i := range lines {
		fmt.Fprintf(&b, "x_total{a=\"some value\",i=\"%d\"} %d.5%s\n", i, i, tail)
	}
	if format == OpenMetrics {
		b.WriteString("# EOF\n")
	}
	return []byte(b.String())
}

// repeater keeps nothing but the lines.
type repeater struct {
	discard
	lines *Lines
	room  []float64
}

func (r *repeater) Room(n int) []float64 {
	r.room = slices.Grow(r.room[:0], n)
	return r.room[:n]
}
func (*repeater) Repeat(int)        {}
func (*repeater) Stamp(Slot, int64) {}
func (*repeater) Diverge([]Slot)    {}
func (*repeater) Foresee(int)       {}

// TestRoomOfAnotherPage: a worker's first page has room for as many lines as the last one had, and keeps no more than it needs.
func TestRoomOfAnotherPage(t *testing.T) {
	table, c := NewTable(1<<20), newCollector()
	for i, lines := range []int{10_000, 9_990, 10, 10_000, 40_000, 10} {
		w := newWorker(c, table)
		p := NewPage(Text, table, w, Limits{}, nil)
		if p.Expect(nil, w); cap(p.repeat.own) > 0 {
			t.Errorf("page %d: there is room before the worker answers", i)
		}
		if _, err := p.Write([]byte("x{k=\"0\"} 1\n")); err != nil {
			t.Fatal(err)
		}
		if room := cap(p.repeat.own); i == 1 && room < 10_000 || room > maxCommon {
			t.Errorf("page %d: there is room for %d", i, room)
		}
		var body bytes.Buffer
		for k := range lines {
			fmt.Fprintf(&body, "x{k=\"%d\"} 1\n", k)
		}
		if _, err := w.page(Text, body.Bytes(), func(n int) int { return n }); err != nil {
			t.Fatal(err)
		}
		if room := cap(w.lines.entries); len(w.lines.entries) != lines || room > lines+lines/2 {
			t.Errorf("page %d: %d lines have room for %d", i, len(w.lines.entries), room)
		}
	}
}
