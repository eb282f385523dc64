package federator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/ledger"
)

// stuck is a ledger that cannot be set aside.
type stuck struct{ ledger.Ledger }

func (stuck) SetAside(error) error { return errors.New("a test") }

// put writes a record behind the federator's back.
func (w *world) put(key, value string) {
	w.t.Helper()
	var b ledger.Batch
	b.Put(key, []byte(value))
	if err := w.ledger.Append(&b); err != nil {
		w.t.Fatal(err)
	}
}

// TestUnreadableLedger has one record or page among those of many instances that says nothing. All is set aside, and counters
// start from 0.
func TestUnreadableLedger(t *testing.T) {
	const web1 = "instance/webapp/web1/"
	page := func(head string) func(w *world) {
		return func(w *world) {
			if err := w.ledger.WritePage(web1, append([]byte{byte(len(head))}, head...)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	record := func(key, value string) func(w *world) { return func(w *world) { w.put(key, value) } }
	for name, c := range map[string]struct {
		damage func(w *world)
		says   string
	}{
		"clock":            {record(clockKey, "x"), "invalid character"},
		"key":              {record("instance/webapp", "x"), "names no instance"},
		"escaped key":      {record("instance/%zz/web1/head", "x"), "invalid URL escape"},
		"head":             {record(web1+headKey, "{"), `instance \"web1\" of job \"webapp\": read the head`},
		"no head":          {record("instance/webapp/web0/identity/w1", "{}"), `instance \"web0\" of job \"webapp\": read the head`},
		"identity":         {record(web1+identityPrefix+"w9", "{"), "read the identity of the folded worker"},
		"fold":             {record(web1+foldPrefix+"state", "\xff"), "read the sums"},
		"departed worker":  {record(web1+memberPrefix+"1", "{"), "read the worker of a departed incarnation"},
		"departed's other": {record(web1+memberPrefix+"77", `{"uid":"x"}`), "read the worker"},
		"page":             {page("{"), "read the head of a ledger page"},
		"page's worker":    {page(`{"members":[1]}`), "read a worker"},
		"page's fold":      {page("{}"), "read the sums"},
	} {
		for _, aside := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				inWorld(t, nil, func(w *world) { unreadable(w, c.damage, aside, c.says) })
			})
		}
	}
}

func unreadable(w *world, damage func(w *world), aside bool, says string) {
	for i := range 12 {
		key := fmt.Sprintf("w%d", i)
		w.movable(key, "h:"+key, fmt.Sprintf("web%d", i+1))
		w.at("h:"+key, answer{page: counter(5, 100)})
	}
	w.tell()
	w.want("x_total", "5")
	w.runFor(2 * time.Minute)
	damage(w)
	results := map[string]float64{"read": 1}
	if !aside {
		w.ledger, results["set_aside"] = stuck{w.ledger}, 1
	}
	w.restart()
	for _, op := range []string{"read", "set_aside", "append"} {
		if got := w.metric("fedscrape_ledger_errors_total", "op", op); got != results[op] {
			w.t.Errorf("op %s is counted %v times, want %v", op, got, results[op])
		}
	}
	if w.logged("Ledger cannot be read") != 1 || w.logged("Ledger cannot be set aside") != len(results)-1 || w.logged(says) == 0 {
		w.t.Errorf("the log says otherwise, and not %q:\n%s", says, w.log)
	}
	if f := w.federator; f.clock.before != 0 || len(f.instances)+len(f.orphans) != 0 {
		w.t.Errorf("the clock goes on from %s, %d instances are known", f.clock.before, len(f.instances)+len(f.orphans))
	}
	w.tell()
	if aside {
		w.want("x_total", "0")
		w.at("h:w0", answer{page: counter(7, 100)})
		w.want("x_total", "2")
	}
}

// TestOwnCountersOverARestart lets an instance's own counters go on, whichever was written last: a record or a page.
func TestOwnCountersOverARestart(t *testing.T) {
	for _, resets := range []string{"1", "2"} {
		inWorld(t, nil, func(w *world) {
			two(w)
			w.register("w3", "h:3")
			w.at("h:3", answer{page: counter(1, 100)})
			w.tell()
			w.want("x_total", "13")
			w.refuse("h:3")
			w.deregister("w3")
			w.at("h:1", answer{page: counter(2, 0)}) // a reset
			w.want("x_total", "15")
			w.wantHand("", w.hand("w2", 100, counter(8, 100)))
			if resets == "2" {
				w.want("x_total", "16")
				w.at("h:1", answer{page: counter(1, 0)})
				w.want("x_total", "17")
			}
			w.restart()
			for series, want := range map[string]string{
				"fedscrape_workers_started_total": "3", "fedscrape_resets_absorbed_total": resets, "fedscrape_lost_updates_possible_total": "1",
				"fedscrape_workers_departed_total{reason=vanished}": "1", "fedscrape_workers_departed_total{reason=goodbye}": "1",
			} {
				w.want(series, want)
			}
		})
	}
}

// TestGoodbyeWithoutAPage restores an instance that has records, and no page yet.
func TestGoodbyeWithoutAPage(t *testing.T) {
	inWorld(t, func(j *Job) { j.ServeEmpty = true }, func(w *world) {
		w.register("w1", "h:1")
		w.tell()
		w.wantHand("", w.hand("w1", 100, counter(8, 100)))
		w.restart()
		w.want("x_total", "8")
		w.deregister("w1")
		w.want("x_total", "8")
	})
}

// TestGoodbyeOverARestart knows after a restart that a worker which is still registered has said goodbye, and that it may
// live on.
func TestGoodbyeOverARestart(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.wantHand("", w.hand("w2", 100, counter(9, 100)))
		w.want("x_total", "14")
		w.at("h:2", answer{page: counter(11, 100), start: 100})
		w.restart()
		w.tell()
		w.want("x_total", "14")
		w.wantStates("1:up")
		time.Sleep(w.job.ScrapeTimeout + time.Second)
		w.value("x_total")
		synctest.Wait()
		w.want("x_total", "16")
		w.wantStates("1:up 2:up")
	})
}

// TestIdentitiesOverARestart forgets those of folded workers in the order of their age, also after a restart.
func TestIdentitiesOverARestart(t *testing.T) {
	inWorld(t, func(j *Job) { j.ServeEmpty, j.Merge.InstanceRetention = true, 10*time.Hour }, func(w *world) {
		two(w)
		for i := range 8 {
			key := fmt.Sprintf("w1%d", i)
			w.register(key, "h:"+key)
			w.tell()
			w.wantHand("", w.hand(key, 50, counter(1, 50)))
			w.deregister(key)
			w.runFor(time.Hour)
		}
		w.restart()
		w.tell()
		w.runFor(5*time.Hour + 30*time.Minute)
		w.want("x_total", "20")
		keys := slices.Sorted(maps.Keys(w.federator.instances[instanceKey{"webapp", "web1"}].folded.byKey))
		if got := strings.Join(keys, " "); got != "w14 w15 w16 w17" {
			t.Errorf("known are %s", got)
		}
	})
}
