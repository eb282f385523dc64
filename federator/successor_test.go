package federator

import (
	"testing"
	"testing/synctest"
	"time"
)

// A worker restarts in place, its registration goes, and the federator is killed before a page knows its new life: it is asked on, and
// what counts of it is what the new life has.
func TestSuccessorIsAskedAfterAKill(t *testing.T) {
	for name, c := range map[string]struct {
		change        func(w *world)
		total, states string
	}{
		"it goes on":          {func(w *world) { w.at("h:2", answer{page: counter(3, 900)}) }, "15", "1:up 2:up"},
		"it is registered":    {func(w *world) { w.at("h:2", answer{page: counter(3, 900)}); w.register("w2", "h:2") }, "15", "1:up 2:up"},
		"it has ended":        {func(w *world) { w.refuse("h:2") }, "12", "1:up"},
		"it is the first one": {func(w *world) { w.at("h:2", answer{page: counter(8, 100)}) }, "12", "1:up 2:up"},
	} {
		t.Run(name, func(t *testing.T) {
			inMeetings(t, nil, func(w *world) {
				w.at("h:2", answer{page: counter(1, 900)})
				w.deregister("w2")
				time.Sleep(2 * partedDelay)
				for range 2 { // the second time the records are of the first
					w.restart()
				}
				c.change(w)
				w.tell()
				synctest.Wait()
				w.want("x_total", c.total)
				w.wantStates(c.states)
				w.want("fedscrape_workers_started_total", "3")
				w.restart()
				w.tell()
				w.want("x_total", c.total)
				w.want("fedscrape_workers_started_total", "3")
			})
		})
	}
}
