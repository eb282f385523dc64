package federator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

func TestRegistrationGone(t *testing.T) {
	f := func(name string, then answer, refuse bool, rounds int, reason string) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				two(w)
				w.want("x_total", "12")
				w.deregister("w2")
				w.wantStates("1:up 2:up") // an empty registry is not a cemetery
				w.at("h:2", then)
				if refuse {
					w.refuse("h:2")
				}
				for range rounds {
					w.want("x_total", "12")
				}
				want := "1:up"
				if reason == "" {
					want = "1:up 2:up"
				}
				w.wantStates(want)
				if reason != "" {
					w.want("fedscrape_workers_departed_total{reason="+reason+"}", "1")
					w.want("fedscrape_lost_updates_possible_total", "1")
				}
				if warns := strings.Contains(w.log.String(), "Scrape of worker has an error"); warns != (reason == reasonExpired || name == "another answers") {
					t.Errorf("warns %t:\n%s", warns, w.log)
				}
			})
		})
	}
	f("answers on", answer{page: counter(7, 100)}, false, 5, "")
	f("refuses", answer{}, true, 1, reasonVanished)
	f("fails once", answer{page: "broken"}, false, 0, "")
	f("fails twice", answer{page: "broken"}, false, 2, reasonExpired)
	f("hangs", answer{delay: time.Hour}, false, 3, reasonExpired)
	f("another answers", answer{page: counter(1, 300), id: "other"}, false, 1, reasonVanished)
}

// TestHangCountsOnceARound lets a worker without registration hang for one round, whose request ends later.
func TestHangCountsOnceARound(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.deregister("w2")
		w.at("h:2", answer{delay: time.Hour})
		w.want("x_total", "12")
		time.Sleep(20 * time.Second) // its request runs out of time: the same failure
		w.wantStates("1:up 2:failed")
	})
}

func TestUnidentifiedWorkerDepartsWithItsRegistration(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:2", answer{page: counter(7, 0)})
		w.want("x_total", "12")
		w.deregister("w2")
		w.wantStates("1:up")
		w.want("x_total", "12")
	})
}

func TestUnsureListDepartsNobody(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:2", answer{page: counter(7, 0)})
		w.want("x_total", "12")
		w.tell(func(u *discovery.Update) { u.Workers, u.Answered = nil, false })
		w.wantStates("1:up 2:up")
		w.tell(func(u *discovery.Update) { u.Workers, u.Reconfigured = u.Workers[:1], true })
		w.wantStates("1:up")
		w.want("x_total", "12")
	})
}

func TestReturn(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		oneDeparted(w)
		w.wantStates("1:up")
		time.Sleep(30 * time.Minute) // within retention
		w.at("h:3", answer{page: counter(9, 100)})
		w.register("w2", "h:3") // it was only cut off; its address is not part of it
		w.tell()
		w.want("x_total", "14")
		w.refuse("h:3")
		w.deregister("w2")
		w.want("x_total", "14")
		time.Sleep(2 * time.Hour) // over it: folded
		w.want("x_total", "14")
		w.at("h:3", answer{page: counter(20, 100)})
		w.register("w2", "h:3")
		w.tell()
		w.want("x_total", "14") // its first snapshot is its base
		w.at("h:3", answer{page: counter(21, 100)})
		w.want("x_total", "15")
	})
}

// TestFoldedKeyWithAnotherProcess brings a folded key back with another start time: all of it counts.
func TestFoldedKeyWithAnotherProcess(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		oneDeparted(w)
		time.Sleep(2 * time.Hour)
		w.want("x_total", "12")
		w.at("h:2", answer{page: counter(4, 5000)})
		w.register("w2", "h:2")
		w.tell()
		w.want("x_total", "16")
	})
}

func TestStartTime(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.at("h:2", answer{page: counter(8, 4000)}) // the wall clock was set
		w.want("x_total", "13")
		w.want("fedscrape_workers_started_total", "2")
		w.at("h:2", answer{page: counter(3, 5000)}) // a new life
		w.want("x_total", "16")
		w.want("fedscrape_workers_started_total", "3")
		w.want("fedscrape_workers_departed_total{reason=replaced}", "1")
		w.want("fedscrape_resets_absorbed_total", "0")
		w.at("h:2", answer{page: counter(1, 5000)}) // a reset inside it
		w.want("x_total", "17")
		w.want("fedscrape_resets_absorbed_total", "1")
	})
}

func TestPortReused(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:2", answer{page: counter(7, 100), id: "w2"})
		w.want("x_total", "12")
		w.at("h:2", answer{page: counter(50, 200), id: "w3"}) // before its registration is known
		w.want("x_total", "12")
		w.wantStates("1:up")
		w.want("fedscrape_workers_departed_total{reason=replaced}", "1")
		w.register("w3", "h:2")
		w.tell() // the old registration is still there
		w.want("x_total", "62")
		for range 3 {
			w.tell()
			w.want("x_total", "62")
		}
		w.want("fedscrape_workers_departed_total{reason=replaced}", "1")
		w.want("fedscrape_workers_started_total", "3")
		w.wantStates("1:up 3:up")
	})
}

// TestTwoRegistrationsOfOneAddress has no IDs on the page: the newer registration is the worker.
func TestTwoRegistrationsOfOneAddress(t *testing.T) {
	for _, sameLife := range []bool{false, true} {
		t.Run(fmt.Sprint("same life ", sameLife), func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				two(w)
				w.want("x_total", "12")
				start := 200.0
				if sameLife {
					start = 100
				}
				w.at("h:2", answer{page: counter(8, start)})
				w.register("w9", "h:2", func(d *discovery.Worker) { d.CreateIndex = 10 })
				w.tell()
				want, started, departed := "20", "3", "1" // 5 + 7 of the old one + 8
				if sameLife {
					want, started, departed = "13", "2", "0"
				}
				for range 3 {
					w.want("x_total", want)
					w.tell()
				}
				w.wantStates("1:up 9:up")
				w.want("fedscrape_workers_started_total", started)
				w.want("fedscrape_workers_departed_total{reason=replaced}", departed)
			})
		})
	}
}

func TestOneWorkerIDTwice(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		time.Sleep(time.Second)
		w.register("w3", "h:3", func(d *discovery.Worker) { d.WorkerID = "1" })
		w.at("h:3", answer{page: counter(2, 300)})
		w.tell()
		w.want("g{worker_id=1~2}", "2")
		w.want("fedscrape_conflicts{kind=worker_id}", "1")
		w.want("fedscrape_worker_up{worker_id=1~2}", "1")
		w.refuse("h:1")
		w.deregister("w1")
		w.want("x_total", "14")
		w.want("g{worker_id=1}", "2")
		w.want("fedscrape_conflicts{kind=worker_id}", "0")
	})
}

func TestReloadKeepsInstances(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		oneDeparted(w)
		again := *w.job
		again.Merge.WorkerLabel = "pid"
		w.federator.Apply([]*Job{&again})
		w.want("x_total", "12")
		w.want("g{pid=1}", "5")
		w.federator.Apply([]*Job{{Name: "other"}})
		if n := len(w.federator.Instances()); n != 0 {
			t.Errorf("%d instances of a job that is gone", n)
		}
		if n := w.metric("fedscrape_rounds_total"); n != 0 {
			t.Errorf("metrics of a job that is gone: %v", n)
		}
	})
}

// TestFirstJobOwnsAnInstance has two jobs that yield one instance.
func TestFirstJobOwnsAnInstance(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		second := *w.job
		second.Name = "second"
		w.federator.Apply([]*Job{w.job, &second})
		two(w)
		w.register("w8", "h:8")
		stray := w.workers["w8"]
		w.federator.Update(discovery.Update{Job: "second", Answered: true, Workers: []discovery.Worker{stray}})
		w.want("x_total", "12")
		w.wantStates("1:up 2:up")
	})
}

// TestConflictsAreLoggedOnce logs what workers disagree on when it begins, not as long as it lasts, and no more than a
// hundred.
func TestConflictsAreLoggedOnce(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		types := func(n int) string {
			var page strings.Builder
			for i := range n {
				fmt.Fprintf(&page, "# TYPE t%03d gauge\nt%03d 1\n", i, i)
			}
			return page.String()
		}
		w.at("h:1", answer{page: counter(5, 100) + strings.ReplaceAll(types(300), "gauge", "counter")})
		want := func(conflicts, lines int) {
			t.Helper()
			w.at("h:2", answer{page: counter(7, 100) + types(conflicts)})
			for range 3 {
				w.want("fedscrape_conflicts{kind=type}", strconv.Itoa(conflicts))
			}
			if n := w.logged("Workers disagree"); n != lines {
				t.Errorf("%d conflicts, said %d times, want %d", conflicts, n, lines)
			}
		}
		want(1, 1)
		want(3, 3)
		want(0, 3)
		want(3, 6)
		want(300, 103)
		want(300, 103)
	})
}

// TestDeparturesAreCounted has them, by reason, on the page and for the job.
func TestDeparturesAreCounted(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		for i, reason := range []string{reasonGoodbye, reasonVanished, reasonExpired, reasonReplaced} {
			key := fmt.Sprintf("w1%d", i)
			w.register(key, "h:"+key)
			w.at("h:"+key, answer{page: counter(1, 50), id: key})
			w.tell()
			w.value("x_total")
			switch reason {
			case reasonGoodbye:
				w.wantHand("", w.hand(key, 50, counter(1, 50)))
			case reasonExpired:
				w.at("h:"+key, answer{err: errors.New("no good")})
				w.deregister(key)
			case reasonReplaced:
				w.at("h:"+key, answer{page: counter(1, 50), id: "w1"})
			default:
				w.refuse("h:" + key)
				w.deregister(key)
			}
			w.value("x_total")
			w.want("fedscrape_workers_departed_total{reason="+reason+"}", "1")
			if got, all := w.metric("fedscrape_workers_departed_total", "job", "webapp", "reason", reason), w.metric("fedscrape_workers_departed_total"); got != 1 || all != float64(i+1) {
				t.Errorf("%s: %v of %v", reason, got, all)
			}
		}
		w.want("fedscrape_lost_updates_possible_total", "3")
	})
}
