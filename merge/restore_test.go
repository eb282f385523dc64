package merge

import (
	"flag"
	"strconv"
	"testing"
	"time"
)

// disk is what survives a crash of the process: the records, and the newest three pages.
type disk struct {
	records map[string][]byte
	pages   [][]byte // the newest last
}

// save makes durable what a page needs, in the federator's order; full says that only pages can be written.
func (d *disk) save(f *Fold, now time.Time, full bool) {
	if f.Unsaved() && !full {
		s := f.Save(now)
		d.append(s)
		f.Saved(s)
	}
}

func (d *disk) append(s *Save) {
	if d.records == nil {
		d.records = map[string][]byte{}
	}
	for key, b := range s.Put {
		d.records[key] = append([]byte(nil), b...)
	}
	for _, key := range s.Delete {
		delete(d.records, key)
	}
}

// page keeps one.
func (d *disk) page(f *Fold) {
	d.pages = append(d.pages, f.AppendPage(nil))
	if len(d.pages) > 3 {
		d.pages = d.pages[1:]
	}
	f.Paged()
}

// newest is the page that a process finds that starts now.
func (d *disk) newest() []byte {
	if len(d.pages) == 0 {
		return nil
	}
	return d.pages[len(d.pages)-1]
}

func restored(t failer, opts Options, d *disk, now time.Time) *Fold {
	f, err := Restore(opts, d.records, d.newest(), now)
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
	return f
}

func TestRestorePlain(t *testing.T) {
	f, d := New(lawOptions()), &disk{}
	a, b, c := add(f, "a"), add(f, "b"), add(f, "c")
	lines := func(v float64) []sample {
		p := []sample{{id: counter("c_total"), v: v}, {id: counter("c_total", "k", "x"), v: v / 3}, {id: gaugeID("g_sum"), v: v}, {id: gaugeID("g_max"), v: v}, {id: gaugeID("g_all"), v: v}}
		return append(p, hist("h", -v, 1, v, inf, 2*v)...)
	}
	page(f, a, t0, lines(5)...)
	page(f, b, t0, lines(6)...)
	page(f, c, t0, lines(7)...)
	page(f, a, t0, lines(4)...)
	want := show(f, t0)
	d.page(f)
	if got := show(restored(t, lawOptions(), d, t0.Add(100*time.Hour)), t0.Add(100*time.Hour)); got != want {
		t.Fatalf("of a page alone:\n%s\nwant\n%s", got, want)
	}
	f.Depart(a, t0, true)
	f.Depart(b, t0, false)
	if !f.Unsaved() {
		t.Fatalf("departures need no Save")
	}
	want = show(f, t0)
	d.save(f, t0, false)
	if f.Unsaved() {
		t.Fatalf("is saved, and says it is not")
	}
	d.page(f)
	g := restored(t, lawOptions(), d, t0)
	if got := show(g, t0); got != want {
		t.Fatalf("of page and records:\n%s\nwant\n%s", got, want)
	}
	if list := g.Incarnations(); len(list) != 2 || list[0].Key != "b" || list[0].UID() != b.UID() || !g.Return(list[0]) || list[1].Key != "c" {
		t.Fatalf("incarnations: %v", list)
	}
}

// many sets how many schedules a test runs, where -rapid.checks does not say.
func many(t *testing.T, n int) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	if before := checks.Value.String(); before == checks.DefValue {
		t.Cleanup(func() { _ = checks.Value.Set(before) })
		if slow || testing.Short() {
			n /= 10
		}
		if err := checks.Value.Set(strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
	}
}
