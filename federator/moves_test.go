package federator

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// wantAt holds x_total of two instances.
func (w *world) wantAt(web1, web2 string) {
	w.t.Helper()
	for instance, want := range map[string]string{"web1": web1, "web2": web2} {
		page, err := w.federator.Gather(w.t.Context(), "webapp", instance)
		if err != nil {
			w.t.Errorf("%s: %v", instance, err)
		} else if got := find(page, "x_total"); got != want {
			w.t.Errorf("%s: x_total is %s, want %s", instance, got, want)
		}
	}
}

// movesAfterRetention moves w2 from web2 to web1 when it was away for so long that it is folded.
func movesAfterRetention(w *world) {
	w.refuse("h:2")
	w.deregister("w2")
	w.wantAt("5", "7")
	time.Sleep(2 * time.Hour)
	w.wantAt("5", "7")
	w.at("h:2", answer{page: counter(7, 200)})
	w.movable("w2", "h:2", "web1")
	w.tell()
}

// movable registers a worker with an instance.
func (w *world) movable(key, address, instance string) {
	w.register(key, address, func(d *discovery.Worker) { d.Instance = instance })
}

// inTwoInstances has a worker in each of two instances.
func inTwoInstances(t *testing.T, test func(w *world)) {
	t.Helper()
	inWorld(t, func(j *Job) { j.ServeEmpty = true }, func(w *world) {
		w.movable("w1", "h:1", "web1")
		w.movable("w2", "h:2", "web2")
		w.at("h:1", answer{page: counter(5, 100)})
		w.at("h:2", answer{page: counter(7, 200)})
		w.tell()
		w.wantAt("5", "7")
		test(w)
	})
}

// TestMoveToAnotherInstance relabels a worker: what it counted stays where it was counted.
func TestMoveToAnotherInstance(t *testing.T) {
	f := func(name string, move func(w *world)) {
		t.Run(name, func(t *testing.T) {
			inTwoInstances(t, func(w *world) {
				w.movable("w2", "h:2", "web1")
				move(w)
				w.wantAt("5", "7")
				w.wantStates("1:up 2:up")
				w.at("h:2", answer{page: counter(9, 200)})
				w.wantAt("7", "7")
				w.at("h:2", answer{page: counter(1, 200)}) // a reset
				w.wantAt("8", "7")
				w.restart()
				w.at("h:2", answer{page: counter(4, 200)})
				w.wantAt("11", "7")
				w.tell()
				w.wantAt("11", "7")
				time.Sleep(2 * time.Hour) // over departed_retention
				w.wantAt("11", "7")
			})
		})
	}
	reload := func(u *discovery.Update) { u.Reconfigured = true }
	f("by relabeling", func(w *world) { w.tell(reload) })
	f("by registering anew", func(w *world) { w.tell() })
	f("while no federator runs", func(w *world) { w.restart(); w.tell() })
	f("killed before a page shows it", func(w *world) { w.tell(reload); w.restart(); w.tell() })
	f("killed after it is written", func(w *world) { w.tell(reload); synctest.Wait(); w.restart(); w.tell() })
	f("killed after the new one's page", func(w *world) {
		s := &sick{Ledger: w.ledger, only: "web2"}
		w.ledger = s
		w.restart()
		s.set(errFull, 0)
		w.tell(reload)
		w.want("x_total", "5")
		s.set(nil, 0)
		w.restart()
		w.tell()
	})
	f("killed after the new one's page, and cut off", func(w *world) {
		w.tell(reload)
		w.deregister("w2") // scraped on
		w.want("x_total", "5")
		w.restart()
		w.movable("w2", "h:2", "web1")
		w.tell()
	})
	f("cut off between", func(w *world) {
		w.refuse("h:2")
		w.deregister("w2")
		w.wantAt("5", "7")
		w.at("h:2", answer{page: counter(7, 200)})
		w.movable("w2", "h:2", "web1")
		w.tell()
	})
	f("cut off for long", movesAfterRetention)
	f("listed twice for a moment", func(w *world) {
		twice := w.workers["w2"]
		twice.Instance = "web2"
		w.tell(func(u *discovery.Update) { u.Workers = append(u.Workers, twice) })
		w.tell()
	})
	f("listed in a third one between", func(w *world) {
		w.movable("w2", "h:2", "web3")
		w.tell()
		w.movable("w2", "h:2", "web1")
		w.tell()
	})
	f("the discovery not sure at first", func(w *world) {
		w.restart()
		w.tell(func(u *discovery.Update) { u.Answered = false })
		w.wantAt("5", "7")
		w.tell()
	})
}

// TestMoveOfNewLife lists a worker twice for a moment, and finds another process when it asks it.
func TestMoveOfNewLife(t *testing.T) {
	inTwoInstances(t, func(w *world) {
		twice := w.workers["w2"]
		w.movable("w2", "h:2", "web1")
		w.tell(func(u *discovery.Update) { u.Workers = append(u.Workers, twice) })
		w.tell()
		w.at("h:2", answer{page: counter(3, 9000)})
		w.wantAt("8", "7")
	})
}

// TestNewLifeAfterABase restarts a worker whose first page was its base: all of the new life counts, also what has
// not fallen.
func TestNewLifeAfterABase(t *testing.T) {
	page := func(x, y, start int) string {
		return fmt.Sprintf("# TYPE x_total counter\nx_total %d\n# TYPE y_total counter\ny_total %d\nprocess_start_time_seconds %d\n", x, y, start)
	}
	for _, final := range []bool{false, true} {
		inTwoInstances(t, func(w *world) {
			w.movable("w2", "h:2", "web1")
			w.at("h:2", answer{page: page(10, 1, 200)})
			w.tell()
			w.wantAt("5", "7")
			time.Sleep(time.Second)
			if final {
				w.wantHand("", w.hand("w2", 9000, page(3, 4, 9000)))
			}
			w.at("h:2", answer{page: page(3, 4, 9000)})
			w.wantAt("8", "7")
			w.want("y_total", "4")
			w.want("fedscrape_workers_departed_total{reason=replaced}", "1")
		})
	}
}

// TestMoveBack moves a worker to and fro, and restarts it on the way.
func TestMoveBack(t *testing.T) {
	for _, restart := range []bool{false, true} {
		inTwoInstances(t, func(w *world) {
			move := func(instance string, page string) {
				w.at("h:2", answer{page: page})
				w.movable("w2", "h:2", instance)
				if restart {
					w.restart()
				}
				w.tell()
			}
			move("web1", counter(10, 200)) // the 3 are of the time between
			w.wantAt("5", "7")
			w.at("h:2", answer{page: counter(12, 200)})
			w.wantAt("7", "7")
			move("web2", counter(12, 200))
			w.wantAt("7", "7")
			w.at("h:2", answer{page: counter(15, 200)})
			w.wantAt("7", "10")
			move("web1", counter(4, 9000)) // another life
			w.wantAt("11", "10")
			move("web2", counter(5, 9000)) // known there by its first life only
			w.wantAt("11", "10")
			w.at("h:2", answer{page: counter(6, 9000)})
			w.wantAt("11", "11")
			w.refuse("h:2") // it departs and returns where it is
			w.deregister("w2")
			w.wantAt("11", "11")
			move("web2", counter(8, 9000))
			w.wantAt("11", "13")
		})
	}
}

// TestMoveOnByTheLatest moves a worker on that began a new life in between: who had it last knows which.
func TestMoveOnByTheLatest(t *testing.T) {
	for _, cutOff := range []bool{false, true} {
		inTwoInstances(t, func(w *world) {
			w.movable("w2", "h:2", "web1")
			w.tell()
			w.wantAt("5", "7")
			time.Sleep(time.Second)
			w.at("h:2", answer{page: counter(3, 9000)}) // its new life
			w.wantAt("8", "7")
			if cutOff {
				w.refuse("h:2")
				w.deregister("w2")
				w.wantAt("8", "7")
				w.at("h:2", answer{page: counter(3, 9000)})
			}
			w.movable("w2", "h:2", "web3")
			w.tell()
			w.at("h:2", answer{page: counter(5, 9000)})
			w.wantAt("8", "7")
			w.movable("w2", "h:2", "web2")
			w.tell()
			w.at("h:2", answer{page: counter(6, 9000)})
			w.wantAt("8", "7")
			w.at("h:2", answer{page: counter(7, 9000)})
			w.wantAt("8", "8")
		})
	}
}

// TestMoveAfterGoodbye relabels a registration whose worker has handed in its last page.
func TestMoveAfterGoodbye(t *testing.T) {
	inTwoInstances(t, func(w *world) {
		final := Final{Job: "webapp", Instance: "web2", ServiceID: "w2", StartTime: 200, ContentType: "text/plain", Body: strings.NewReader(counter(9, 200))}
		if err := w.federator.Final(w.t.Context(), final); err != nil {
			w.t.Fatal(err)
		}
		w.movable("w2", "h:2", "web1")
		w.tell()
		w.at("h:2", answer{page: counter(9, 200)})
		w.wantAt("5", "9")
		w.wantStates("1:up")
	})
}

// TestMoveUnseen moves a worker on before anybody has asked it: nothing of it is counted anywhere.
func TestMoveUnseen(t *testing.T) {
	inTwoInstances(t, func(w *world) {
		w.movable("w3", "h:3", "web1")
		w.tell()
		w.movable("w3", "h:3", "web2")
		w.tell()
		w.at("h:3", answer{page: counter(100, 300)})
		w.wantAt("5", "107")
		w.movable("w3", "h:3", "web1") // and one that was counted goes through one that never asked it
		w.tell()
		w.movable("w3", "h:3", "web3")
		w.tell()
		w.restart()
		w.movable("w3", "h:3", "web1")
		w.tell()
		w.at("h:3", answer{page: counter(101, 300)})
		w.wantAt("5", "107")
		w.at("h:3", answer{page: counter(103, 300)})
		w.wantAt("7", "107")
	})
}

// TestMoveBetweenJobs hands a worker from one job to another, in either order of their updates.
func TestMoveBetweenJobs(t *testing.T) {
	f := func(name string, order ...string) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(j *Job) { j.ServeEmpty = true }, func(w *world) {
				second := *w.job
				second.Name = "second"
				w.federator.Apply([]*Job{w.job, &second})
				w.movable("w1", "h:1", "web1")
				w.movable("w2", "h:2", "web2")
				w.at("h:1", answer{page: counter(5, 100)})
				w.at("h:2", answer{page: counter(7, 200)})
				one, two := w.workers["w1"], w.workers["w2"]
				lists := map[string][]discovery.Worker{"webapp": {one}, "second": {two}}
				update := func(job string) {
					w.federator.Update(discovery.Update{Job: job, Answered: true, Workers: lists[job], Reconfigured: true})
				}
				update("webapp")
				update("second")
				w.wantAt("5", "7")
				two.Instance = "web1"
				lists["webapp"], lists["second"] = []discovery.Worker{one, two}, nil
				for _, job := range order {
					update(job)
				}
				w.wantAt("5", "7")
				w.at("h:2", answer{page: counter(8, 200)})
				w.wantAt("6", "7")
			})
		})
	}
	f("old one first", "second", "webapp")
	f("new one first", "webapp", "second")
}

// TestMoveOfJob renames a job, and back: its instances go on where they were.
func TestMoveOfJob(t *testing.T) {
	inTwoInstances(t, func(w *world) {
		renamed := *w.job
		renamed.Name = "renamed"
		w.federator.Apply([]*Job{&renamed})
		list := []discovery.Worker{w.workers["w1"], w.workers["w2"]}
		for i := range list {
			list[i].Job = "renamed"
		}
		w.federator.Update(discovery.Update{Job: "renamed", Answered: true, Workers: list})
		w.at("h:2", answer{page: counter(10, 200)})
		for range 2 {
			page, err := w.federator.Gather(w.t.Context(), "renamed", "web2")
			if err != nil {
				t.Fatal(err)
			}
			if got := find(page, "x_total"); got != "0" && got != "5" {
				t.Errorf("x_total of the renamed job is %s", got)
			}
			w.at("h:2", answer{page: counter(15, 200)})
		}
		synctest.Wait()
		w.restart() // with the old name
		w.tell()
		w.wantAt("5", "7")
		w.at("h:2", answer{page: counter(16, 200)})
		w.wantAt("5", "8")
	})
}

// TestAddressIsNoIdentity reuses an address that discovery knows no more of: another process, in another instance.
func TestAddressIsNoIdentity(t *testing.T) {
	f := func(gone bool, old, start float64, want string) {
		inTwoInstances(t, func(w *world) {
			at := func(instance, page string) {
				w.at("h:9", answer{page: page})
				w.register("h:9", "h:9", func(d *discovery.Worker) { d.ServiceID, d.Instance = "", instance })
				w.tell()
			}
			at("web1", counter(4, old))
			w.wantAt("9", "7")
			if !gone {
				at("web2", counter(6, start))
				w.wantAt("9", want)
				return
			}
			w.refuse("h:9")
			w.deregister("h:9")
			w.wantAt("9", "7")
			at("web2", counter(6, start))
			w.wantAt("9", want)
		})
	}
	f(true, 0, 0, "13")
	f(true, 300, 300, "7")
	f(true, 300, 400, "13")
	f(false, 0, 0, "7")
	f(false, 300, 300, "7")
	f(false, 300, 400, "13")
}

// TestMoveIsWrittenAtOnce has the ledger know that a worker has left, which no page of the instance waits for; also where a
// kill had cut the move in two.
func TestMoveIsWrittenAtOnce(t *testing.T) {
	const identity = "web2/" + identityPrefix
	inTwoInstances(t, func(w *world) {
		s := &sick{Ledger: w.ledger, only: "web2"}
		w.ledger = s
		w.restart()
		w.tell()
		w.movable("w2", "h:2", "web1")
		s.set(errFull, 0)
		w.tell()
		w.want("x_total", "5")
		synctest.Wait() // until the disk has refused what nobody waits for
		s.set(nil, 0)
		w.restart()
		if n := w.keys(identity); n != 0 {
			t.Fatalf("%d identities before the move", n)
		}
		w.tell()
		synctest.Wait()
		if n := w.keys(identity); n != 1 {
			t.Errorf("%d identities after a move that was cut in two", n)
		}
		w.movable("w1", "h:1", "web2")
		w.tell()
		synctest.Wait()
		if n := w.keys("web1/" + identityPrefix + "w1"); n != 1 {
			t.Errorf("%d identities after a move", n)
		}
	})
}
