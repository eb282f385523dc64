package exposition

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

// The index against a map, also where texts fall together or stand under several declarations.
func TestIndexMatchesMap(t *testing.T) {
	type key struct {
		c    context
		text string
	}
	table, r := NewTable(1<<20), rand.New(rand.NewPCG(1, 2))
	want := map[key]entry{}
	for range 20_000 {
		k := key{firstContext + context(r.IntN(3)), strconv.Itoa(r.IntN(5000))}
		before, had := want[k]
		if got, ok := table.index.Load().find(k.c, []byte(k.text)); ok != had || ok && got != before {
			t.Fatalf("%v is at %d, %v, want %d, %v", k, got, ok, before, had)
		}
		if e, ok := table.learn([]byte(k.text), k.c, 0, ""); !ok || had && e != before {
			t.Fatalf("%v is learnt as %d, %v", k, e, ok)
		} else {
			want[k] = e
		}
	}
	if x := table.index.Load(); len(want) != x.lines() || 2*len(want) > len(x.places) {
		t.Errorf("%d lines in %d places, want %d", x.lines(), len(x.places), len(want))
	}
}

// Two texts of one length with one hash are two lines.
func TestIndexComparesTexts(t *testing.T) {
	table, of := NewTable(1<<20), map[uint32]string{}
	for i := 1_000_000; ; i++ {
		text := strconv.Itoa(i)
		hash := table.index.Load().hash(firstContext, []byte(text))
		if twin := of[hash]; twin != "" && len(twin) == len(text) {
			e, _ := table.learn([]byte(twin), firstContext, 0, "")
			if got, ok := table.index.Load().find(firstContext, []byte(text)); ok {
				t.Errorf("%s is %d, which is %s", text, got, twin)
			}
			if other, _ := table.learn([]byte(text), firstContext, 0, ""); other == e {
				t.Errorf("%s and %s are both %d", text, twin, e)
			}
			return
		}
		of[hash] = text
	}
}

// A line that is found by its last brace is what it is when it is read in full.
func TestLinesFoundElsewhere(t *testing.T) {
	warm := []string{`x{a="1"} 1`, `x{a="}"} 2`, `x{a="} 3"} 3`, `x{a="1",b="{"} 4`, `x{} 5`, `x 6`, `x{a="\"}"} 7`, `{"x"} 8`, `x {a="1"} 9`}
	odd := []string{
		`x{a="1"}1`, `x{a="1"}{b="2"} 1`, `x{a="1"} 1 }`, `x{a="1"}} 1`, `x{a="1"} # {b="2"} 1`, `x{a="1"} 1 # {b="2"} 1`, `x} 1`, `x{a="1"} `,
		`x{a="} 3"}4`, `x{a="}"}"} 1`, `x{a="}"} NaN 12`, `x {a="1"} 2`, `{"x"}`, `x{} 1 {}`, `x{a="\"}"} "}`, `} 1`,
	}
	for _, format := range []Format{Text, OpenMetrics} {
		read := func(table *Table, c *collector, line string) string {
			p := NewPage(format, table, c, Limits{}, nil)
			_, err := p.Write([]byte("# TYPE x gauge\n" + line + "\n"))
			return fmt.Sprint(c.lines, err)
		}
		for _, line := range append(odd, warm...) {
			table, c := NewTable(100), newCollector()
			for _, known := range warm { // of which OpenMetrics refuses some
				read(table, c, known)
			}
			c.lines = nil
			if got, fresh := read(table, c, line), read(NewTable(100), newCollector(), line); got != fresh {
				t.Errorf("%s is %s, read in full %s", line, got, fresh)
			}
		}
	}
}
