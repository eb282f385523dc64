package merge

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
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

// appendPage appends all that a page needs to be shown again.
func appendPage(f *Fold, dst []byte) []byte { return appendSaid(f, f.AppendHead(dst)) }

// appendSaid appends what the present incarnations say.
func appendSaid(f *Fold, dst []byte) []byte {
	var said Said
	f.Say(&said)
	defer said.Release()
	for _, part := range said.Take(nil) {
		dst = append(dst, part...)
	}
	return dst
}

// diskPages is how many pages are kept: more than a power cut can take.
const diskPages = 3

// page keeps one.
func (d *disk) page(f *Fold) {
	d.pages = append(d.pages, appendPage(f, nil))
	known := f.appendMarks(nil)
	f.markedFor, f.metaBytes = 0, nil
	if all := f.appendMarks(nil); !bytes.Equal(known, all) {
		panic(fmt.Sprintf("marks of what is known are %v, of what is found anew %v", known, all))
	}
	checkKept(f)
	checkPlans(f)
	if len(d.pages) > diskPages {
		d.pages = d.pages[1:]
	}
	f.Paged()
}

// checkPlans holds a page whose numbers are found by plan against one whose families are gone through.
func checkPlans(f *Fold) {
	planned := fmt.Sprintf("%+v", f.Families(f.asOf))
	for _, fam := range f.families {
		fam.plannedFor = 0
	}
	f.dropArrived()
	if all := fmt.Sprintf("%+v", f.Families(f.asOf)); planned != all {
		panic(fmt.Sprintf("by plan %s, without %s", planned, all))
	}
}

// checkKept holds what adding up begins with, which every reset and departure changes a little, against the same made anew.
func checkKept(f *Fold) {
	if !f.held {
		return
	}
	kept, between := f.kept, f.between
	f.kept, f.between = nil, nil
	f.sumKept()
	for slot := range f.lines {
		for _, pair := range [][2]sum{{kept[slot], f.kept[slot]}, {between[slot], f.between[slot]}} {
			if got, want := pair[0].value(), pair[1].value(); math.Abs(got-want) > 1e-20*math.Abs(want) {
				panic(fmt.Sprintf("%s begins with %v, made anew with %v", f.lines[slot].name(), got, want))
			}
		}
	}
	f.kept, f.between = kept, between
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

func x1(v float64) sample { return sample{id: counter("x_total"), v: v} }

// crashTest has three workers, of which a page was shown.
func crashTest(t *testing.T) (f *Fold, d *disk, a, b, c *Incarnation) {
	t.Helper()
	f, d = New(NewOptions()), &disk{}
	a, b, c = add(f, "a"), add(f, "b"), add(f, "c")
	page(f, a, t0, x1(1))
	page(f, b, t0, x1(20))
	page(f, c, t0, x1(300))
	wantShow(t, f, t0, "x_total 321")
	d.save(f, t0, false)
	d.page(f)
	return f, d, a, b, c
}

// wantRestored compares the page, and who is there: present ones in capitals.
func wantRestored(t *testing.T, d *disk, want, who string) *Fold {
	t.Helper()
	f := restored(t, NewOptions(), d, t0)
	var keys []string
	for _, inc := range f.Incarnations() {
		if keys = append(keys, inc.Key); inc.Present() {
			keys[len(keys)-1] = strings.ToUpper(inc.Key)
		}
	}
	if got := strings.Join(keys, ""); got != who {
		t.Errorf("there are %s, want %s", got, who)
	}
	wantShow(t, f, t0, want)
	return f
}

func TestCrashBetweenDepartureAndSave(t *testing.T) {
	f, d, a, b, _ := crashTest(t)
	page(f, a, t0, x1(2))
	f.Depart(a, t0, true)
	f.Depart(b, t0, false)
	f.Families(t0)
	wantRestored(t, d, "x_total 321", "ABC")
}

func TestCrashBetweenAppendAndPage(t *testing.T) {
	f, d, a, b, _ := crashTest(t)
	page(f, a, t0, x1(2))
	f.Depart(a, t0, true)
	f.Depart(b, t0, false)
	d.append(f.Save(t0))
	g := wantRestored(t, d, "x_total 322", "bC")
	if list := g.Incarnations(); !g.Return(list[0]) {
		t.Error("b cannot return")
	}
	wantShow(t, g, t0, "x_total 322")
}

// A return is in pages only. A crash before the page finds the worker departed, one before a page that is older than
// the departure too; and never without its part.
func TestCrashAfterReturn(t *testing.T) {
	f, d, _, b, c := crashTest(t)
	old := d.newest()
	f.Depart(b, t0, false)
	d.save(f, t0, false)
	d.page(f)
	departed := d.newest()
	f.Return(b)
	page(f, b, t0, x1(25))
	if f.Unsaved() {
		t.Error("a return is to be saved")
	}
	wantRestored(t, d, "x_total 321", "AbC")
	d.page(f)
	wantRestored(t, d, "x_total 326", "ABC")
	f.Depart(c, t0, true) // and the next record comes
	d.save(f, t0, false)
	wantRestored(t, d, "x_total 326", "AB")
	for name, p := range map[string][]byte{"departed": departed, "old": old} {
		d.pages = [][]byte{p}
		t.Log(name)
		wantRestored(t, d, "x_total 321", "Ab")
	}
}

// A departure that no record could take is in the page.
func TestCrashOnAFullDisk(t *testing.T) {
	f, d, a, b, _ := crashTest(t)
	f.Depart(a, t0, true)
	f.Depart(b, t0, false)
	d.page(f)
	g := wantRestored(t, d, "x_total 321", "bC")
	if !g.Unsaved() {
		t.Error("what only the page has is not to be saved")
	}
	d.save(g, t0, false)
	d.page(g)
	wantRestored(t, d, "x_total 321", "bC")
	d.pages = d.pages[:1] // the one from before
	wantRestored(t, d, "x_total 321", "bC")
}

// What a Save gave since Say is durable before the page, which carries only what came after it.
func TestPageAfterSave(t *testing.T) {
	f, d, a, b, _ := crashTest(t)
	f.Depart(a, t0, false)
	s := f.Save(t0)
	d.append(s)
	after := f.Slot(counter("y_total"))
	alone := len(f.AppendHead(nil))
	d.page(f)
	if g := wantRestored(t, d, "x_total 321", "aBC"); g.inUse() != 2 || g.lines[after].series == g.nobody {
		t.Error("the line that came after the Save is lost")
	}
	if _, err := Restore(NewOptions(), nil, d.newest(), t0); err == nil {
		t.Error("the page is taken without the records")
	}
	d.append(f.Save(t0))
	f.Depart(b, t0, true)
	if both := len(f.AppendHead(nil)); both < alone+len(s.Put[a.departedKey()]) {
		t.Errorf("a head has %d bytes, without b's departure and what was saved before %d", both, alone)
	}
	d.page(f)
	wantRestored(t, d, "x_total 321", "aC")
}

// What changes while a Save is on its way is not saved by it.
func TestChangesWhileSaving(t *testing.T) {
	f, d, a, b, _ := crashTest(t)
	f.Depart(a, t0, false)
	s := f.Save(t0)
	f.Depart(b, t0, true)
	page(f, add(f, "d"), t0, sample{id: counter("y_total"), v: 5})
	d.append(s)
	f.Saved(s)
	if !f.Unsaved() {
		t.Error("b's departure is not to be saved")
	}
	d.save(f, t0, false)
	d.page(f)
	wantRestored(t, d, "x_total 321\ny_total 5", "aCD")
}

// Records that a Save deleted, and never put, do not pile up, also where nobody could say whether it was durable.
func TestRecordsGo(t *testing.T) {
	f, d, a, b, c := crashTest(t)
	f.Depart(a, t0, false)
	d.append(f.Save(t0)) // and nobody knows
	f.Depart(b, t0, false)
	d.save(f, t0, false)
	later := t0.Add(2 * time.Hour)
	f.FoldExpired(later)
	f.Depart(c, later, false)
	d.save(f, later, false)
	d.page(f)
	want := []string{c.departedKey(), "lines/2", "state"} // the first might be there
	if got := slices.Sorted(maps.Keys(d.records)); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
	wantRestored(t, d, "x_total 321", "c")
}

// A page without the records that it needs is damage, and so are records without the state.
func TestRestoreRefuses(t *testing.T) {
	f, d, a, _, _ := crashTest(t)
	f.Depart(a, t0, true)
	d.save(f, t0, false)
	before := maps.Clone(d.records)
	f.Depart(add(f, "d"), t0, true)
	d.save(f, t0, false)
	d.page(f)
	without := func(key string) map[string][]byte {
		m := maps.Clone(d.records)
		delete(m, key)
		return m
	}
	newer := maps.Clone(d.records)
	newer[stateKey] = append([]byte{formatVersion + 1}, newer[stateKey][1:]...)
	for name, in := range map[string]struct {
		records map[string][]byte
		page    []byte
	}{
		"no records":          {nil, d.newest()},
		"older records":       {before, d.newest()},
		"no state":            {without(stateKey), nil},
		"a state of tomorrow": {newer, nil},
		"a page of tomorrow":  {d.records, append([]byte{formatVersion + 1}, d.newest()[1:]...)},
		"half a page":         {d.records, d.newest()[:len(d.newest())/2]},
		"an empty page":       {d.records, []byte{}},
	} {
		if _, err := Restore(NewOptions(), in.records, in.page, t0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if f, err := Restore(NewOptions(), nil, nil, t0); err != nil || len(f.Incarnations()) != 0 {
		t.Errorf("of nothing: %v", err)
	}
}
