package merge

import (
	"runtime"
	"strconv"
	"testing"
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
	for i, lines := range []int{10_000, 9_990, 10, 10_000} {
		inc := add(f, strconv.Itoa(i))
		st := inc.Stage()
		if room := cap(st.values); i == 1 && (room < 10_000 || room > 11_000) {
			t.Errorf("there is room for %d", room)
		}
		p := exposition.NewPage(exposition.Text, table, st, exposition.Limits{}, nil)
		p.Expect(st.Expected(), st)
		for k := range lines {
			if _, err := p.Write([]byte("x{k=\"" + strconv.Itoa(k) + "\"} 1\n")); err != nil {
				t.Fatal(err)
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
