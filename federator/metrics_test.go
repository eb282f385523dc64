package federator

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fedscrape/fedscrape/scraper"
)

// ownSeries gives the series of a registry, a metric a line.
func (w *world) ownSeries() map[string][]string {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string][]string{}
	for _, fam := range families {
		for _, m := range fam.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			out[fam.GetName()] = append(out[fam.GetName()], strings.Join(labels, " "))
		}
	}
	return out
}

// TestMetricsOfJob are there as soon as the job is, each with all of its values, and go with it. No instance and no
// worker is a label: those are on the merged pages.
func TestMetricsOfJob(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		with := func(label string, values ...string) (list []string) {
			for _, v := range values {
				list = append(list, fmt.Sprintf("job=webapp %s=%s", label, v))
			}
			slices.Sort(list)
			return list
		}
		want := map[string][]string{
			"fedscrape_rounds_total":           with("trigger", "request", "sweep"),
			"fedscrape_round_duration_seconds": {"job=webapp"},
			"fedscrape_scrapes_total": with("result", "ok", "timeout", "refused", "http_status", "parse", "too_large", "limit",
				"wrong_worker"),
			"fedscrape_scrape_bytes_total":     {"job=webapp"},
			"fedscrape_instances":              {"job=webapp"},
			"fedscrape_workers":                with("state", "up", "failed", "new"),
			"fedscrape_workers_departed_total": with("reason", "goodbye", "vanished", "replaced", "expired"),
			"fedscrape_resets_absorbed_total":  {"job=webapp"},
			"fedscrape_conflicts":              with("kind", "type", "help", "unit", "bounds", "duplicate", "value", "worker_id"),
			"fedscrape_finals_total":           with("result", "ok", "bad", "unknown", "too_large", "not_ready"),
		}
		f := func(when string) {
			t.Helper()
			got := w.ownSeries()
			for name := range got {
				if strings.HasPrefix(name, "fedscrape_ledger_") {
					delete(got, name)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", when, diff)
			}
		}
		f("at first")
		w.register("w1", "a:1")
		w.register("w2", "b:1")
		w.at("a:1", answer{page: counter(1, 100)})
		w.tell()
		w.want("x_total", "1")
		w.deregister("w2")
		w.want("x_total", "1")
		f("after rounds")
		if got := w.metric("fedscrape_scrapes_total", "result", string(scraper.ResultRefused)); got != 1 {
			t.Errorf("%v scrapes were refused", got)
		}
		w.at("a:1", answer{page: counter(2, 100), delay: time.Second})
		var late sync.WaitGroup
		late.Go(func() { _, _ = w.gather() })
		synctest.Wait()
		w.federator.Apply([]*Job{})
		late.Wait() // a round that the job does not see the end of
		want = map[string][]string{}
		f("without a job")
	})
}
