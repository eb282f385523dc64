package federator

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/scraper"
)

// A worker that ends tells what it counted since the last page, and is asked on until it refuses.
func TestWhoGoesIsAskedAtOnce(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:2", answer{page: counter(9, 100)})
		before := w.times("h:2")
		w.deregister("w2")
		synctest.Wait()
		time.Sleep(time.Second)
		w.change() // nothing has
		if n := w.times("h:2") - before; n != 1 {
			t.Errorf("asked %d times", n)
		}
		w.refuse("h:2")
		w.wantStates("1:up 2:up")
		w.want("x_total", "14")
		w.wantStates("1:up")
	})
}

// Who is not there any more departs, and is in the ledger before a page has to wait for that, together with who departs soon after.
func TestWhoHasGoneDepartsAtOnce(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.refuse("h:2")
		w.at("h:1", answer{err: errRefused, delay: partedDelay / 2})
		w.deregister("w1", "w2")
		synctest.Wait()
		w.wantStates("1:up")
		if n := w.metric("fedscrape_workers_departed_total", "reason", reasonVanished); n != 1 {
			t.Errorf("%v departed", n)
		}
		in := w.federator.all()[0]
		time.Sleep(partedDelay - time.Millisecond)
		if !in.unsaved() {
			t.Error("saved at once")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if w.wantStates(""); in.unsaved() {
			t.Error("the ledger does not have who departed")
		}
	})
}

// So is one whose successor answers at its address.
func TestWhoIsReplacedIsSaved(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:2", answer{page: counter(1, 200), start: 200})
		w.register("w3", "h:2", func(d *discovery.Worker) { d.StartTime = time.Now() })
		w.deregister("w2")
		time.Sleep(2 * partedDelay)
		if w.wantStates("1:up 3:up"); w.federator.all()[0].unsaved() {
			t.Error("the ledger does not have who departed")
		}
	})
}

// Who runs out of time is not registered any more for two rounds before it departs: asking it beside them is none.
func TestMeetingIsNoRound(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:2", answer{err: &scraper.Error{Result: scraper.ResultTimeout, Err: context.DeadlineExceeded}})
		w.deregister("w2")
		synctest.Wait()
		w.want("x_total", "12")
		w.wantStates("1:up 2:failed")
		w.want("x_total", "12")
		w.wantStates("1:up")
	})
}

// Who is handing in its last page is not asked beside that, and does not depart for a request that was on its way.
func TestMeetingLeavesWhoHandsInAlone(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		in := w.federator.all()[0]
		in.mu.Lock()
		m := in.byServiceID("w2")
		m.handsIn, m.registered, m.changed = true, false, time.Now()
		in.mu.Unlock()
		if in.meet(m, &lane{}) {
			t.Error("it was asked")
		}
		in.mu.Lock()
		in.departRefused(m, errRefused)
		in.mu.Unlock()
		w.wantStates("1:up 2:up")
		m.handsIn = false
		if !in.meet(m, &lane{}) {
			t.Error("it would not have been asked")
		}
		in.mu.Lock()
		in.departRefused(m, errRefused)
		in.mu.Unlock()
		w.wantStates("1:up")
	})
}

// More departed than are kept apart, and are back before a page: what they counted is their base.
func TestMoreDepartThanAreKept(t *testing.T) {
	for _, limit := range []int{0, 1} {
		for _, killed := range []bool{false, true} {
			inMeetings(t, func(j *Job) { j.Merge.DepartedLimit = limit }, func(w *world) {
				w.refuse("h:1")
				w.refuse("h:2")
				w.deregister("w1", "w2")
				time.Sleep(2 * partedDelay)
				if w.wantStates(""); killed {
					w.restart()
				}
				two(w)
				synctest.Wait()
				w.want("x_total", "12")
			})
		}
	}
}

// Nor does it matter that one of them has taken another ID.
func TestMoreDepartThanAreKeptUnderNewIDs(t *testing.T) {
	inMeetings(t, func(j *Job) { j.Merge.DepartedLimit = 0 }, func(w *world) {
		w.register("w3", "h:2", func(d *discovery.Worker) { d.StartTime = time.Now() })
		w.deregister("w2")
		synctest.Wait()
		w.wantStates("1:up 3:up")
		time.Sleep(time.Second)
		w.refuse("h:2")
		w.deregister("w3")
		synctest.Wait()
		w.wantStates("1:up")
		w.at("h:2", answer{page: counter(7, 100)})
		w.register("w3", "h:2")
		w.change()
		w.want("x_total", "12")
	})
}

// A page saves who departed, and nobody does it once more.
func TestPageSavesWhoDeparted(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.refuse("h:2")
		w.deregister("w2")
		synctest.Wait()
		w.want("x_total", "12")
		in := w.federator.all()[0]
		saved := in.saved
		time.Sleep(2 * partedDelay)
		if synctest.Wait(); in.saved != saved {
			t.Error("saved again")
		}
	})
}

// A new worker is registered while the old one answers at its address still, and signs: it is not gone for that.
func TestNewWorkerBeforeTheOldOneHasGone(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:2", answer{page: counter(7, 100), id: "w2", start: 100})
		w.want("x_total", "12")
		time.Sleep(time.Second)
		w.register("w3", "h:2", func(d *discovery.Worker) { d.StartTime = time.Now() })
		w.change()
		w.at("h:2", answer{page: counter(1, 200), id: "w3", start: 200})
		w.deregister("w2")
		synctest.Wait()
		w.want("x_total", "13")
		w.wantStates("1:up 3:up")
	})
}

// Who was registered when it failed for two rounds is asked by one more before it departs.
func TestMeetingExpiresNobody(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		w.at("h:2", answer{err: &scraper.Error{Result: scraper.ResultTimeout, Err: context.DeadlineExceeded}})
		w.want("x_total", "12")
		w.want("x_total", "12")
		time.Sleep(time.Second)
		w.deregister("w2")
		synctest.Wait()
		w.wantStates("1:up 2:failed")
		w.want("x_total", "12")
		w.wantStates("1:up")
	})
}

// Who comes and departs before a page has it is counted as started by the records that have it departed, and nobody else.
func TestDepartedBeforeAPageHasStarted(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		comeAndGo := func(key string) {
			w.at("h:"+key, answer{page: counter(3, 100)})
			w.register(key, "h:"+key)
			w.change()
			time.Sleep(time.Second)
			w.refuse("h:" + key)
			w.deregister(key)
			time.Sleep(2 * partedDelay)
		}
		comeAndGo("w3")
		w.want("x_total", "15")
		comeAndGo("w4")
		w.restart()
		w.tell()
		in := w.federator.all()[0] // and no page until the next kill
		in.mu.Lock()
		in.depart(in.byServiceID("w2"), reasonVanished, time.Now())
		in.mu.Unlock()
		in.saveBeside(&keeping{ahead: true})
		synctest.Wait()
		w.deregister("w2")
		w.restart()
		w.tell()
		w.want("x_total", "18")
		w.want("fedscrape_workers_started_total", "4")
		w.want("fedscrape_workers_departed_total{reason=vanished}", "3")
	})
}

// An instance that is forgotten is not saved any more.
func TestForgottenInstanceIsNotSaved(t *testing.T) {
	inMeetings(t, nil, func(w *world) {
		in := w.federator.all()[0]
		w.refuse("h:1")
		w.refuse("h:2")
		w.deregister("w1", "w2")
		synctest.Wait()
		if err := w.federator.Forget("webapp", "web1"); err != nil {
			t.Error(err)
		}
		in.saveBeside(&keeping{}) // it was on its way
		synctest.Wait()
		w.restart()
		if n := len(w.federator.Instances()); n != 0 {
			t.Errorf("%d instances after a restart", n)
		}
	})
}
