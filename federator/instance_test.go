package federator

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// TestNamesOfOneID numbers workers with one worker ID in the order in which they came, and lists them by it.
func TestNamesOfOneID(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		names := func(want string) {
			t.Helper()
			list, err := w.federator.Workers("webapp")
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, worker := range list {
				keys = append(keys, worker.Key+":"+worker.WorkerID)
			}
			if got := strings.Join(keys, " "); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		for _, i := range []int{5, 3, 8, 1, 9} {
			key := fmt.Sprintf("w%d", i)
			w.register(key, "h:"+key, func(d *discovery.Worker) { d.WorkerID = "0" })
			w.at("h:"+key, answer{page: counter(1, 100)})
			w.tell()
			time.Sleep(time.Second)
		}
		names("w5:0 w3:0~2 w8:0~3 w1:0~4 w9:0~5")
		w.register("w7", "h:w7", func(d *discovery.Worker) { d.WorkerID = "00" })
		w.at("h:w7", answer{page: counter(1, 100)})
		w.refuse("h:w3")
		w.deregister("w3")
		w.want("x_total", "5")
		names("w5:0 w7:00 w8:0~2 w1:0~3 w9:0~4")
		if list, _ := w.federator.Workers("other"); len(list) > 0 {
			t.Errorf("another job has %v", list)
		}
	})
}

// TestAgeIsByStart lets the worker that started first decide a type, not the one that was seen first.
func TestAgeIsByStart(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		says := func(key, typ string, start int64) {
			w.register(key, "h:"+key, func(d *discovery.Worker) { d.StartTime = time.Unix(start, 0) })
			w.at("h:"+key, answer{page: "# TYPE t " + typ + "\nt 1\n"})
			w.tell()
			time.Sleep(time.Second)
		}
		says("w1", "counter", 300)
		w.want("t", "1")
		says("w2", "gauge", 400)
		w.want("t", "1")
		says("w3", "gauge", 200)
		w.want("t", "none")
		w.want("t{worker_id=3}", "1")
	})
}

// TestReplacedAfterAReturn knows of a worker that was back for a while that another answers in its place, and takes its
// registration for what is left of it.
func TestReplacedAfterAReturn(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.at("h:2", answer{page: counter(7, 100), id: "w2"})
		w.want("x_total", "12")
		w.refuse("h:2")
		w.deregister("w2")
		w.want("x_total", "12")
		w.at("h:2", answer{page: counter(8, 100), id: "w2"})
		w.register("w2", "h:2")
		w.tell()
		w.want("x_total", "13")
		w.at("h:2", answer{page: counter(3, 9000), id: "w9"})
		w.value("x_total")
		w.value("x_total")
		w.tell()
		w.wantStates("1:up")
	})
}

// TestNewerRegistrationOfAnAddress takes the one that Consul has created last, in whichever order they are listed, and the
// older one again where the newer goes.
func TestNewerRegistrationOfAnAddress(t *testing.T) {
	for _, newer := range []string{"w1", "w2"} {
		inWorld(t, nil, func(w *world) {
			older := map[string]string{"w1": "w2", "w2": "w1"}[newer]
			w.register(newer, "h:1", func(d *discovery.Worker) { d.CreateIndex = 9 })
			w.register(older, "h:1", func(d *discovery.Worker) { d.CreateIndex = 5 })
			w.tell()
			w.deregister(newer) // before anybody has asked it
			w.at("h:1", answer{page: counter(5, 0)})
			w.want("x_total", "5")
			w.wantStates(older[1:] + ":up")
			w.register(newer, "h:1", func(d *discovery.Worker) { d.CreateIndex = 9 })
			w.tell()
			w.at("h:1", answer{page: counter(7, 0)})
			w.want("x_total", "12")
			w.wantStates(newer[1:] + ":up")
		})
	}
}

// TestAnotherLifeAfterAGoodbye registers another process under the ID of one that said goodbye: that one is not asked any
// more, though the other's page does not tell who it is of.
func TestAnotherLifeAfterAGoodbye(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.register("w2", "h:2", func(d *discovery.Worker) { d.CreateIndex = 10 })
		w.tell()
		w.want("x_total", "12")
		w.wantHand("", w.hand("w2", 100, counter(9, 100)))
		w.register("w2", "h:2", func(d *discovery.Worker) { d.CreateIndex = 900 })
		w.at("h:2", answer{page: counter(50, 0)})
		w.tell()
		time.Sleep(w.job.ScrapeTimeout + time.Second)
		w.want("x_total", "14") // maybe it is the same: what it counted so far is its base
		for i := range 4 {
			w.at("h:2", answer{page: counter(float64(51+i), 0)})
			w.want("x_total", strconv.Itoa(15+i))
		}
		if n := w.federator.Instances()[0].Departed; n != 0 {
			t.Errorf("%d are kept apart", n)
		}
	})
}

// TestForgetIsKept has the ledger know at once that an instance was forgotten.
func TestForgetIsKept(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		if err := w.federator.Forget("webapp", "web1"); err != nil {
			t.Fatal(err)
		}
		w.restart()
		w.want("x_total", "0")
	})
}

// TestJobThatIsBack counts and sweeps its instances as before.
func TestJobThatIsBack(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		two(w)
		w.want("x_total", "12")
		w.federator.Apply([]*Job{})
		if n := len(w.federator.orphans); n != 1 {
			t.Errorf("%d instances without a job", n)
		}
		w.federator.Apply([]*Job{w.job})
		w.tell()
		before := w.metric("fedscrape_rounds_total", "job", "webapp")
		w.want("x_total", "12")
		if got := w.metric("fedscrape_rounds_total", "job", "webapp") - before; got != 1 || len(w.federator.orphans) != 0 {
			t.Errorf("%v rounds are counted, %d instances without a job", got, len(w.federator.orphans))
		}
	})
}
