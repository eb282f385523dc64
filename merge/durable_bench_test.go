package merge

import (
	"bytes"
	"maps"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// BenchmarkAppendPage encodes what 64 workers of 2,000 lines say.
func BenchmarkAppendPage(b *testing.B) {
	f, _, _ := benchFold(b)
	f.Families(t0)
	f.Saved(f.Save(t0))
	b.SetBytes(int64(len(appendPage(f, nil))))
	b.ReportAllocs()
	var head []byte
	var said Said
	for b.Loop() {
		head = f.AppendHead(head[:0])
		f.Say(&said)
	}
}

// BenchmarkSave is that of one departure among 64 workers.
func BenchmarkSave(b *testing.B) {
	f, incs, _ := benchFold(b)
	f.Families(t0)
	f.Saved(f.Save(t0))
	f.Depart(incs[0], t0, false)
	b.ReportAllocs()
	for b.Loop() {
		incs[0].recorded = 0
		if s := f.Save(t0); len(s.Put) != 2 {
			b.Fatalf("puts %d records", len(s.Put))
		}
	}
}

// BenchmarkRestore reads 64 workers of 2,000 lines, and one that departed.
func BenchmarkRestore(b *testing.B) {
	f, incs, _ := benchFold(b)
	f.Depart(incs[0], t0, false)
	f.Families(t0)
	d := &disk{}
	d.save(f, t0, false)
	d.page(f)
	b.SetBytes(int64(len(d.newest())))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Restore(f.opts, d.records, d.newest(), t0); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAppendPageAllocatesNothing holds in a round in which nobody came or went.
func TestAppendPageAllocatesNothing(t *testing.T) {
	f := New(NewOptions())
	for i := range 8 {
		page(f, add(f, strconv.Itoa(i)), t0, costPage(100)...)
	}
	f.Families(t0)
	f.Saved(f.Save(t0))
	var head []byte
	var said Said
	write := func() {
		head = f.AppendHead(head[:0])
		f.Say(&said)
	}
	write()
	most := 0.0
	if slow {
		most = 20 // the race detector makes append allocate
	}
	if n := testing.AllocsPerRun(20, write); n > most {
		t.Errorf("%v allocations", n)
	}
}

// TestRenderAndSay: what is done at once is the same as one after the other, page after page.
func TestRenderAndSay(t *testing.T) {
	one, two := New(NewOptions()), New(NewOptions())
	lines, said, now := append(costPage(manyLines/8), gaugeSample()), Said{}, t0
	for round := range 5 {
		switch round {
		case 3:
			lines = lines[1:] // the first series is gone, and kept
		case 4:
			now = t0.Add(NewOptions().SeriesRetention + time.Hour) // and expires
		}
		for i := range 9 {
			lines[i].v += float64(10 - 7*min(round, 2)) // from the third round on all fall
			for _, f := range []*Fold{one, two} {
				if round == 0 {
					add(f, strconv.Itoa(i))
				}
				page(f, f.Incarnations()[i], now, lines...)
			}
		}
		ready := false
		filled := one.RenderAndSay(now, &said, func() {
			runtime.Gosched()
			ready = true
		})
		if !ready {
			t.Errorf("round %d: the page is there before all is said", round)
		}
		got := map[string]float64{}
		for _, f := range filled {
			maps.Copy(got, flatten([]exposition.Family{f.Family()}))
		}
		if want := flatten(two.Families(now)); !maps.Equal(got, want) {
			t.Errorf("round %d: the page has %d lines, or other numbers than one of %d", round, len(got), len(want))
		}
		if got, want := bytes.Join(said.Take(nil), nil), appendSaid(two, nil); !bytes.Equal(got, want) {
			t.Errorf("round %d: %d bytes are said, want %d", round, len(got), len(want))
		}
		if got, want := one.AppendHead(nil), two.AppendHead(nil); !bytes.Equal(got, want) {
			t.Errorf("round %d: the head has %d bytes, want %d", round, len(got), len(want))
		}
	}
}
