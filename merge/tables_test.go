package merge

import (
	"math"
	"runtime"
	"strconv"
	"testing"
	"time"
	"weak"

	"github.com/fedscrape/fedscrape/exposition"
)

// TestOldTablesAreLetGo: who departed does not keep the table by which its lines were read, though it is kept itself.
func TestOldTablesAreLetGo(t *testing.T) {
	f := New(NewOptions())
	var tables []weak.Pointer[exposition.Table]
	for i := range 20 {
		table := exposition.NewTable(1000) // as after each Compact
		tables = append(tables, weak.Make(table))
		inc := add(f, strconv.Itoa(i))
		st := inc.Stage()
		p := exposition.NewPage(exposition.Text, table, st, exposition.Limits{}, nil)
		p.Expect(st.Expected(), st)
		if _, err := p.Write([]byte("# TYPE x_total counter\nx_total 1\n")); err != nil || p.Close(true) != nil {
			t.Fatal(err)
		}
		st.Read(p.Lines())
		f.Commit(st, t0)
		f.Depart(inc, t0, false)
	}
	runtime.GC()
	held := 0
	for _, table := range tables {
		if table.Value() != nil {
			held++
		}
	}
	if held > 1 {
		t.Errorf("%d old tables are held", held)
	}
	wantShow(t, f, t0, "x_total 20")
}

// TestRoomOfAnotherPage: a new worker's page has room for as many lines as the last one had, and keeps no more than it needs.
func TestRoomOfAnotherPage(t *testing.T) {
	table, f := exposition.NewTable(1<<20), New(NewOptions())
	for i, lines := range []int{10_000, 9_990, 10, 10_000, 40_000, 10} {
		inc := add(f, strconv.Itoa(i))
		st := inc.Stage()
		if cap(st.values) > 0 {
			t.Error("there is room before the worker answers")
		}
		p := exposition.NewPage(exposition.Text, table, st, exposition.Limits{}, nil)
		p.Expect(st.Expected(), st)
		for k := range lines {
			if _, err := p.Write([]byte("x{k=\"" + strconv.Itoa(k) + "\"} 1\n")); err != nil {
				t.Fatal(err)
			}
			if room := cap(st.values); k == 0 && i == 1 && (room < 10_000 || room > 11_000) || room > max(lines, maxCommon)*3/2 {
				t.Fatalf("there is room for %d after %d lines", room, k+1)
			}
		}
		if err := p.Close(true); err != nil {
			t.Fatal(err)
		}
		st.Read(p.Lines())
		f.Commit(st, t0)
		if most := lines + lines/2; cap(inc.slots) > most || cap(inc.last) > most {
			t.Errorf("%d lines have room for %d slots, %d values", lines, cap(inc.slots), cap(inc.last))
		}
	}
}

// TestPartPagesLeaveNoRoom: the room of a page that ended early is not another one's.
func TestPartPagesLeaveNoRoom(t *testing.T) {
	f := New(NewOptions())
	var large []sample
	for i := range 5000 {
		large = append(large, x(strconv.Itoa(i), 1))
	}
	page(f, add(f, "large"), t0, large...)
	for i := range 50 {
		stage(add(f, strconv.Itoa(i)), x("1", 1)).Release()
	}
	for _, values := range f.spare {
		if cap(values) > 100 {
			t.Fatalf("there is room for %d", cap(values))
		}
	}
}

// TestCompactLetsSeriesGo: what Compact has let go is not held by what the fold knows of lines.
func TestCompactLetsSeriesGo(t *testing.T) {
	for _, typ := range []exposition.Type{exposition.GaugeHistogram, exposition.Histogram} {
		opts := NewOptions()
		opts.SeriesRetention = time.Hour
		f := New(opts)
		f.fewFreed = 0
		gone, inc := add(f, "gone"), add(f, "new")
		var old []sample
		for k := range 100 {
			old = append(old, labeled(strconv.Itoa(k), hist("h", 1, 1, 1, math.Inf(1), 2))...)
		}
		for i := range old {
			old[i].id.Type = typ
		}
		page(f, gone, t0, old...)
		series := weak.Make(f.several[50])
		for hour := range 24 * 30 {
			if hour == 1 {
				f.Depart(gone, t0, typ == exposition.GaugeHistogram)
			}
			now := t0.Add(time.Duration(hour) * time.Hour)
			f.FoldExpired(now)
			f.Compact(now)
			page(f, inc, now, x("1", float64(hour)), x(strconv.Itoa(100+hour%2), 1))
			f.Families(now)
		}
		if runtime.GC(); series.Value() != nil {
			t.Errorf("a series of type %v is held", typ)
		}
		runtime.KeepAlive(f)
	}
}
