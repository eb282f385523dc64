package merge

import (
	"strconv"
	"testing"
)

// BenchmarkAppendPage encodes what 64 workers of 2,000 lines say.
func BenchmarkAppendPage(b *testing.B) {
	f, _, _ := benchFold(b)
	f.Families(t0)
	f.Saved(f.Save(t0))
	page := f.AppendPage(nil)
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		page = f.AppendPage(page[:0])
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
	buffer := f.AppendPage(nil)
	most := 0.0
	if slow {
		most = 20 // the race detector makes append allocate
	}
	if n := testing.AllocsPerRun(20, func() { buffer = f.AppendPage(buffer[:0]) }); n > most {
		t.Errorf("%v allocations", n)
	}
}
