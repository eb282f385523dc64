package exposition

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// knownLines are known to a table, in this order.
var knownLines = []string{
	"# TYPE duration histogram",
	`duration_bucket{path="/{id}/a",le="1"} 1`, `duration_bucket{path="/{id}/a",le="+Inf"} 2`,
	`duration_bucket{path="/{id}/b",le="1"} 3`, `duration_bucket{path="/{id}/b",le="+Inf"} 4`,
	"# TYPE visits_of_people gauge", `visits_of_people{of="a"} 5`, `visits_of_people{of="dropped"} 6`, `visits_of_people{of="b"} 7`, "visits_of_people 8",
	"# TYPE duration_bucket gauge", `duration_bucket{path="/{id}/b",le="1"} 9`,
}

// withoutDropped leaves some lines out.
func withoutDropped(name string, labels Labels) (string, Labels, bool) {
	return name, labels, !slices.Contains(labels, Label{"of", "dropped"})
}

// familiarPage is a page of a worker whose lines the table knows from others.
func familiarPage(t *testing.T, format Format, limits Limits) (*Page, *worker) {
	t.Helper()
	c, table := newCollector(), NewTable(100)
	for i := range 2 {
		w := newWorker(c, table)
		p := NewPage(format, table, w, limits, withoutDropped)
		if p.Expect(nil, w); i == 1 {
			return p, w
		}
		if _, err := p.Write([]byte(strings.Join(knownLines, "\n") + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	return nil, nil
}

// TestFamiliarLines: which lines under a declaration are read at a glance, and what is told of them.
func TestFamiliarLines(t *testing.T) {
	f := func(format Format, declared string, lines, want string) {
		t.Helper()
		p, w := familiarPage(t, format, Limits{})
		if _, err := p.Write([]byte(declared + "\n")); err != nil {
			t.Fatal(err)
		}
		w.at, w.values, w.collector.metas = nil, nil, nil
		rest := "\n" + strings.Repeat("behind all that is looked at ", 3)
		p.hold()
		n := p.familiar([]byte(lines + rest))
		p.letGo()
		read := strings.Count(lines[:min(n, len(lines))], "\n")
		if n > len(lines) {
			read++
		}
		var got []string
		for i, slot := range w.at {
			got = append(got, fmt.Sprintf("%d=%v", slot, w.values[i]))
		}
		if text := fmt.Sprint(read, " ", strings.Join(got, " ")); text != want {
			t.Errorf("%q under %q: read %s, want %s", lines, declared, text, want)
		}
		if p.line != 1+read || p.samples != len(got) || p.repeat.samples != len(got) || len(p.repeat.own) != 1+read {
			t.Errorf("%q: at line %d, %d samples, %d for the next page, which has %d lines", lines, p.line, p.samples, p.repeat.samples, len(p.repeat.own))
		}
		if told := len(w.collector.metas) == 1; told != (len(got) > 0) {
			t.Errorf("%q: the sink is told %q", lines, w.collector.metas)
		}
	}
	const histogram, gauge, again = "# TYPE duration histogram", "# TYPE visits_of_people gauge", "# TYPE duration_bucket gauge"
	a1, a2, b1, b2 := knownLines[1], knownLines[2], knownLines[3], knownLines[4]
	lines := func(list ...string) string { return strings.Join(list, "\n") }
	f(Text, histogram, lines(a1, a2, b1, b2), "4 0=1 1=2 2=3 3=4")
	f(Text, histogram, lines(b1, b2, a1, a2), "4 2=3 3=4 0=1 1=2")
	f(Text, histogram, lines(b2, b1, a2, a1), "4 3=4 2=3 1=2 0=1")
	f(Text, again, b1, "1 7=3")
	f(Text, again, a1, "0 ") // not of this declaration
	f(Text, histogram, lines(b2, gauge, knownLines[6]), "1 3=4")
	f(Text, gauge, lines(knownLines[6:10]...), "4 4=5 5=7 6=8")
	f(Text, gauge, lines(knownLines[9], knownLines[7], knownLines[8], knownLines[6]), "4 6=8 5=7 4=5")
	f(Text, gauge, lines(knownLines[8], "visits_of_people{of=\"c\"} 1"), "1 5=7")
	f(Text, gauge, "visits_of_people{of=\"b\"} 0.25", "1 5=0.25")
	f(Text, gauge, lines(knownLines[9], knownLines[8], "visits_of_people{of=\"c\"} 1", knownLines[6]), "2 6=8 5=7")
	f(Text, gauge, lines(knownLines[9], knownLines[8], "# HELP x {a} 5", knownLines[6]), "2 6=8 5=7")
	many := 2*maxSought + 3
	f(Text, gauge, lines(slices.Repeat(knownLines[8:9], many)...), fmt.Sprint(many, strings.Repeat(" 5=7", many)))
	for _, odd := range []string{" NaN", " -1", " 1 2", "\t1", "  1", "1", " ", " 1\r", " 1e3", " 1 # {} 1"} {
		f(Text, gauge, "visits_of_people{of=\"b\"}"+odd, "0 ")
		f(Text, gauge, "visits_of_people"+odd, "0 ")
	}
	f(OpenMetrics, gauge, lines(knownLines[8], "# EOF"), "1 5=7")
}

// TestNotFamiliar: when known lines are left to be read in full.
func TestNotFamiliar(t *testing.T) {
	const declared = "# TYPE visits_of_people gauge\n"
	piece := knownLines[6] + "\n" + strings.Repeat(" ", 100)
	f := func(format Format, limits Limits, before string, change func(*Page)) {
		t.Helper()
		p, w := familiarPage(t, format, limits)
		if _, err := p.Write([]byte(declared + before)); err != nil {
			t.Fatal(err)
		}
		samples := len(w.at)
		change(p)
		p.hold()
		defer p.letGo()
		if n := p.familiar([]byte(piece)); n != 0 || len(w.at) != samples {
			t.Errorf("after %q %d bytes are read", before, n)
		}
	}
	f(OpenMetrics, Limits{}, "# EOF\n", func(*Page) {})
	f(Text, Limits{Samples: rowLines + 9}, strings.Repeat(knownLines[8]+"\n", 10), func(*Page) {})
	f(Text, Limits{}, "", func(p *Page) { p.table.reset() })
	f(Text, Limits{}, "", func(p *Page) { p.repeat.sink = nil })
}

// TestFamiliarLimit: the line that is one too many is named.
func TestFamiliarLimit(t *testing.T) {
	p, _ := familiarPage(t, Text, Limits{Samples: 50})
	_, err := p.Write([]byte("# TYPE visits_of_people gauge\n" + strings.Repeat(knownLines[8]+"\n", 51)))
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Line != 52 {
		t.Errorf("error %v", err)
	}
}

// TestFamiliarLinesAreShared: a page that learnt a line lets others read once some known ones have followed.
func TestFamiliarLinesAreShared(t *testing.T) {
	p, _ := familiarPage(t, Text, Limits{})
	p.hold()
	defer p.letGo()
	p.holdAlone()
	page := strings.Repeat(knownLines[6]+"\n", calmLines+5)
	p.current = &declared{name: "visits_of_people", typ: Gauge}
	if n := p.familiar([]byte(page)); n == 0 || p.take([]byte("visits_of_people 8")) != nil || p.holding.alone {
		t.Errorf("%d bytes are read at a glance, and then it is alone: %v", n, p.holding.alone)
	}
}

// TestFamiliarLastLines: behind a line that the last page did not have, its lines are read in a row, each under its declaration.
func TestFamiliarLastLines(t *testing.T) {
	body := func(lines []string) []byte {
		return []byte(strings.Join(lines, "\n") + "\n" + strings.Repeat("# nothing\n", 10))
	}
	for at := 1; at <= len(knownLines); at++ {
		c := newCollector()
		w := newWorker(c, NewTable(100))
		more := slices.Insert(slices.Clone(knownLines), at, "visits_of_people{of=\"more\"} 10")
		for i, lines := range [][]string{knownLines, more, more} {
			before := w.lines
			got, err := w.page(Text, body(lines), func(n int) int { return n })
			want, wantErr := plain(c, Text, body(lines))
			if diff := got.differs(want); diff != "" || err != nil || wantErr != nil {
				t.Fatalf("with a line at %d, page %d: %s, %v, %v", at, i, diff, err, wantErr)
			}
			if again := i == 2; (w.lines == before) != again {
				t.Errorf("with a line at %d, page %d: expected %v", at, i, w.lines == before)
			}
		}
	}
}
