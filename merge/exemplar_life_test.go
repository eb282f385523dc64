package merge

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fedscrape/fedscrape/exposition"
)

// exemplarLife is a random life of an instance whose exemplars have timestamps that only grow: the one that is shown of a
// series is that which came last, since the series is there.
type exemplarLife struct {
	*scene
	incs  []*Incarnation
	clock int
	last  map[string]string // by series, the exemplar that came last
	seen  int
}

var exemplarLine = regexp.MustCompile(`^(c_total|h_bucket|gh_bucket)\{k="(\d+)"(?:,le="\+Inf")?\} \S+(?: # \{of="(.*?)"\} 1 (\d+))?$`)

// check holds each line of the page against what came last.
func (l *exemplarLife) check(t *rapid.T) {
	var b strings.Builder
	if err := exposition.EncodeFilled(&b, exposition.Negotiate("application/openmetrics-text;version=1.0.0"), l.f.Render(l.now)); err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for line := range strings.Lines(b.String()) {
		m := exemplarLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		key := m[1] + " " + m[2]
		if shown[key] = m[4]; m[4] != "" && m[3] != key {
			t.Fatalf("%s has the exemplar of %q", key, m[3])
		}
		if want := l.last[key]; m[1] != "gh_bucket" && m[4] != want {
			t.Fatalf("%s has the exemplar %q, want %q\n%s", key, m[4], want, &b)
		}
	}
	l.seen += len(shown)
	maps.DeleteFunc(l.last, func(key, _ string) bool { _, is := shown[key]; return !is }) // it has expired
	l.f.Paged()
}

// page draws a page; each series' exemplar, if it has one, is newer than all before. What is there twice is not taken.
func (l *exemplarLife) page(t *rapid.T, inc *Incarnation) {
	said := map[string]string{}
	write := func(b *strings.Builder, name, labels string, k int) {
		if key := fmt.Sprintf("%s %d", name, k); rapid.Bool().Draw(t, "exemplar") {
			l.clock++
			said[key] = strconv.Itoa(l.clock)
			fmt.Fprintf(b, "%s{k=\"%d\"%s} 1 # {of=\"%s\"} 1 %d\n", name, k, labels, key, l.clock)
		} else {
			fmt.Fprintf(b, "%s{k=\"%d\"%s} 1\n", name, k, labels)
		}
		if k%4 == 1 {
			fmt.Fprintf(b, "%s{k=\"%d\"%s} 1 # {of=\"twice\"} 1 %d\n", name, k, labels, l.clock+1_000_000)
		}
	}
	from := rapid.SampledFrom([]int{0, 0, 10, 20, 30}).Draw(t, "from") // few, so that a page often has the lines of the one before
	var c, h, gh strings.Builder
	for k := from; k < from+rapid.SampledFrom([]int{0, 3, 3, 3}).Draw(t, "series"); k++ {
		write(&c, "c_total", "", k)
		write(&h, "h_bucket", `,le="+Inf"`, k)
		fmt.Fprintf(&h, "h_count{k=\"%d\"} 1\n", k)
		write(&gh, "gh_bucket", `,le="+Inf"`, k)
		fmt.Fprintf(&gh, "gh_gcount{k=\"%d\"} 1\n", k)
	}
	body := "# TYPE c counter\n" + c.String() + "# TYPE h histogram\n" + h.String() + "# TYPE gh gaugehistogram\n" + gh.String()
	if rapid.IntRange(0, 5).Draw(t, "refused") == 0 {
		l.stage(inc, body).Release()
		return
	}
	l.f.SetUp(inc, true)
	if !l.f.Commit(l.stage(inc, body), l.now).Stale {
		maps.Copy(l.last, said)
	}
}

func (l *exemplarLife) of(t *rapid.T, present bool) *Incarnation {
	var list []*Incarnation
	for _, inc := range l.incs {
		if inc.Present() == present {
			list = append(list, inc)
		}
	}
	if len(list) == 0 {
		t.Skip("nobody fits")
	}
	return rapid.SampledFrom(list).Draw(t, "incarnation")
}

func (l *exemplarLife) actions() map[string]func(*rapid.T) {
	page := func(t *rapid.T) { l.page(t, l.of(t, true)) }
	return map[string]func(*rapid.T){
		"":     l.check,
		"join": func(*rapid.T) { l.incs = append(l.incs, l.add(strconv.Itoa(len(l.incs)))) },
		"page": page, "page2": page, "page3": page, "page4": page, "page5": page, "page6": page,
		"depart": func(t *rapid.T) { l.f.Depart(l.of(t, true), l.now, rapid.Bool().Draw(t, "certain")) },
		"return": func(t *rapid.T) { l.f.Return(l.of(t, false)) },
		"time": func(t *rapid.T) {
			l.now = l.now.Add(time.Duration(rapid.SampledFrom([]int{1, 2, 30}).Draw(t, "hours")) * time.Hour)
			l.f.FoldExpired(l.now)
		},
		"forget": func(t *rapid.T) {
			if rapid.IntRange(0, 5).Draw(t, "really") == 0 {
				l.f.Forget(l.now)
				clear(l.last)
			}
		},
		"compact": func(*rapid.T) {
			if l.f.Compact(l.now) {
				l.table = exposition.NewTable(1 << 20)
			}
		},
	}
}

// TestExemplarsOfARandomLife lets workers come and go, and slots become other lines.
func TestExemplarsOfARandomLife(t *testing.T) {
	seen, compactions, schedules := 0, uint64(0), 0
	rapid.Check(t, func(rt *rapid.T) {
		l := &exemplarLife{scene: newScene(rt), last: map[string]string{}}
		l.f.fewFreed = 1
		rt.Repeat(l.actions())
		seen, compactions, schedules = seen+l.seen, compactions+l.f.compactions, schedules+1
	})
	if !t.Failed() && (seen < 20*schedules || compactions < uint64(schedules)/10) {
		t.Errorf("%d lines seen, %d compactions in %d schedules: these are too few", seen, compactions, schedules)
	}
}
