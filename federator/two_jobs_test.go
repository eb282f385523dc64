package federator

import (
	"testing"

	"github.com/fedscrape/fedscrape/discovery"
)

// twoJobs has a worker that two jobs find, each for an instance of its own.
type twoJobs struct {
	*world
	workers map[string]discovery.Worker
}

func inTwoJobs(t *testing.T, test func(w twoJobs)) {
	t.Helper()
	inWorld(t, func(j *Job) { j.ServeEmpty = true }, func(w *world) {
		second := *w.job
		second.Name = "second"
		w.more = []*Job{&second}
		w.restart()
		w.movable("w1", "h:1", "web1")
		one := w.workers["w1"]
		two := one
		two.Instance = "web2"
		test(twoJobs{w, map[string]discovery.Worker{"webapp": one, "second": two}})
	})
}

func (w twoJobs) update(job string, listed bool) {
	u := discovery.Update{Job: job, Answered: true}
	if listed {
		u.Workers = []discovery.Worker{w.workers[job]}
	}
	w.federator.Update(u)
}

func (w twoJobs) show(v float64) { w.at("h:1", answer{page: counter(v, 100)}) }

// TestTwoJobsFindOneWorker is no move: each counts it, before and after it is cut off.
func TestTwoJobsFindOneWorker(t *testing.T) {
	for _, order := range [][]string{{"webapp", "second"}, {"second", "webapp"}} {
		inTwoJobs(t, func(w twoJobs) {
			update := func(listed bool) {
				for _, job := range order {
					w.update(job, listed)
				}
			}
			update(true)
			w.show(5)
			w.wantAt("5", "5")
			update(false)
			w.show(6)
			w.wantAt("6", "6")
			w.show(7)
			update(true)
			w.show(8)
			w.wantAt("8", "8")
			w.refuse("h:1")
			update(false)
			w.want("x_total", "8") // departed from the first only
			w.show(9)
			update(true)
			w.wantAt("9", "9")
			w.restart()
			w.show(10)
			w.wantAt("10", "10")
			update(false)
			w.show(11)
			w.wantAt("11", "11")
			update(true)
			w.show(12)
			w.wantAt("12", "12")
		})
	}
}

// TestSecondJobFindsAWorker adds a job that finds a worker which another one has counted for long.
func TestSecondJobFindsAWorker(t *testing.T) {
	inTwoJobs(t, func(w twoJobs) {
		w.update("second", false)
		w.update("webapp", true)
		w.show(5)
		w.want("x_total", "5")
		w.update("second", true)
		w.show(6)
		w.wantAt("6", "6")
	})
}

// TestSecondJobIsFirstAfterARestart has the new job's discovery answer before the other's: that one still has the worker.
func TestSecondJobIsFirstAfterARestart(t *testing.T) {
	inTwoJobs(t, func(w twoJobs) {
		w.update("second", false)
		w.update("webapp", true)
		w.show(5)
		w.want("x_total", "5")
		w.restart()
		w.update("second", true)
		w.show(6)
		w.wantAt("6", "0") // it may have moved: what it shows first is its base
		w.wantStates("1:up 1:up")
		w.update("webapp", true)
		w.show(7)
		w.wantAt("7", "1")
	})
}
