package federator

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fedscrape/fedscrape/exposition"
)

// lines gives a page as text, without HELP, TYPE and what shows the time.
func (w *world) lines(page *Page) string {
	w.t.Helper()
	var all, out strings.Builder
	if err := exposition.EncodeFilled(&all, exposition.Negotiate("text/plain"), page.Families); err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(all.String()) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "_timestamp_seconds") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// twoTook is the page of two workers, who took two and three seconds.
const twoTook = `a{worker_id="1"} 1
a{worker_id="2"} 2
fedscrape_conflicts{kind="bounds"} 0
fedscrape_conflicts{kind="duplicate"} 0
fedscrape_conflicts{kind="help"} 0
fedscrape_conflicts{kind="type"} 0
fedscrape_conflicts{kind="unit"} 0
fedscrape_conflicts{kind="value"} 0
fedscrape_conflicts{kind="worker_id"} 0
fedscrape_lost_updates_possible_total 0
fedscrape_resets_absorbed_total 0
fedscrape_worker_scrape_duration_seconds{worker_id="1"} 2
fedscrape_worker_scrape_duration_seconds{worker_id="2"} 3
fedscrape_worker_up{worker_id="1"} 1
fedscrape_worker_up{worker_id="2"} 1
fedscrape_workers{state="failed"} 0
fedscrape_workers{state="up"} 2
fedscrape_workers_departed_total{reason="expired"} 0
fedscrape_workers_departed_total{reason="goodbye"} 0
fedscrape_workers_departed_total{reason="replaced"} 0
fedscrape_workers_departed_total{reason="vanished"} 0
fedscrape_workers_started_total 2
z{worker_id="1"} 1
z{worker_id="2"} 2
`

// TestOwnFamiliesFollow: own families are made in the room of the last page's, and look like those where nothing but
// numbers changed.
func TestOwnFamiliesFollow(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		var pages []*Page
		want := func(what, want string) {
			t.Helper()
			page, err := w.gather()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			pages = append(pages, page)
			if diff := cmp.Diff(want, w.lines(page)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		w.at("h:1", answer{page: "a 1\nz 1\n", delay: 2 * time.Second})
		w.at("h:2", answer{page: "a 2\nz 2\n", delay: 3 * time.Second})
		w.register("w1", "h:1")
		w.register("w2", "h:2")
		w.tell()
		want("the first page", twoTook)
		w.at("h:2", answer{page: "a 2\nz 2\n", delay: 4 * time.Second})
		want("other numbers", strings.Replace(twoTook, `seconds{worker_id="2"} 3`, `seconds{worker_id="2"} 4`, 1))

		again := *w.job
		again.Merge.WorkerLabel = "pid"
		w.federator.Apply([]*Job{&again})
		labeled := strings.NewReplacer("{worker_id=", "{pid=", `seconds{worker_id="2"} 3`, `seconds{pid="2"} 4`).Replace(twoTook)
		want("another worker label", labeled)

		w.deregister("w1") // its page shows nothing to know it by: it departs at once
		want("one departed", strings.NewReplacer(`a{pid="1"} 1`+"\n", "", `z{pid="1"} 1`+"\n", "",
			`fedscrape_worker_scrape_duration_seconds{pid="1"} 2`+"\n", "", `fedscrape_worker_up{pid="1"} 1`+"\n", "",
			`{state="up"} 2`, `{state="up"} 1`, `{reason="vanished"} 0`, `{reason="vanished"} 1`,
			`possible_total 0`, `possible_total 1`,
		).Replace(labeled))

		if diff := cmp.Diff(twoTook, w.lines(pages[0])); diff != "" {
			t.Errorf("the first page after the others (-want +got):\n%s", diff)
		}
	})
}
