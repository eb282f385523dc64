package federator

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// process is one of several behind an address.
type process struct {
	count, start float64
	id           string
	cpu          float64 // not shown where 0
}

func (p *process) answer() answer {
	page := counter(p.count, p.start)
	if p.cpu > 0 {
		page += fmt.Sprintf("# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %v\n", p.cpu)
	}
	return answer{page: page, id: p.id}
}

// total is x_total of the merged page, which a second worker with 0 keeps up.
func (w *world) total() float64 {
	w.t.Helper()
	v, err := strconv.ParseFloat(w.value("x_total"), 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// shared is a world with a good worker at good:1, and others at a:1 who answer as order says. After each answer the
// merged counter has not fallen and is not above the truth.
func (w *world) shared(processes []*process, rounds int, order func(round int) int, grow func(*process)) {
	w.t.Helper()
	w.at("good:1", answer{page: counter(0, 5)})
	before := 0.0
	for round := range rounds {
		truth := 0.0
		for _, p := range processes {
			grow(p)
			truth += p.count
		}
		w.at("a:1", processes[order(round)].answer())
		total := w.total()
		if total > truth || total < before {
			w.t.Fatalf("round %d: merged %v after %v, the truth is %v", round, total, before, truth)
		}
		before = total
	}
}

func (w *world) wantShared(id string) {
	w.t.Helper()
	for _, in := range w.federator.Instances() {
		for _, s := range in.Workers {
			if s.WorkerID == id && (s.State != "failed" || !strings.Contains(s.Error, "several processes answer at a:1: ") || !strings.Contains(s.Error, "port of its own")) {
				w.t.Errorf("%s is %s: %q", id, s.State, s.Error)
			}
		}
	}
	if w.logged("Several processes share one address") != 1 {
		w.t.Errorf("logged %d times:\n%s", w.logged("Several processes share one address"), w.log)
	}
}

func slowly(p *process) { p.count++ }

// TestSharedPort has several processes answer at one registered address in turn, or as chance has it.
func TestSharedPort(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		starts []float64
		order  func(round int) int
		says   string
	}{
		"two that show their start":    {[]float64{100, 200}, func(round int) int { return round % 2 }, "the start times 200.00 and 100.00 alternate"},
		"three that show their start":  {[]float64{300, 200, 100}, func(round int) int { return round % 3 }, "the start times 100.00 and 300.00 alternate"},
		"three by chance":              {[]float64{100, 200, 300}, func(int) int { return chance.IntN(3) }, "alternate"},
		"two of one fork":              {[]float64{100.01, 100.02}, func(round int) int { return round % 2 }, "the start times 100.02 and 100.01 alternate"},
		"two without identity":         {[]float64{0, 0}, func(round int) int { return round % 2 }, "counters fall and rise in turn"},
		"three without identity":       {[]float64{0, 0, 0}, func(round int) int { return round % 3 }, "counters fall and rise in turn"},
		"two that started in one tick": {[]float64{100, 100}, func(round int) int { return round % 2 }, "counters fall and rise in turn"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.register("w1", "a:1")
				w.register("w2", "good:1")
				w.tell()
				var list []*process
				for i, start := range c.starts {
					list = append(list, &process{count: 500 - 100*float64(i), start: start})
				}
				w.shared(list, 50, c.order, slowly)
				w.wantShared("1")
				if w.logged(c.says) == 0 {
					t.Errorf("it does not say %q:\n%s", c.says, w.log)
				}
				w.want(`fedscrape_workers{state=failed}`, "1")
			})
		})
	}
}

// TestSharedPortOfOneTick has processes that started in one tick of the clock answer in turn. What one of them has counted
// since its last answer is two series, what it would have to jump from another's is one.
func TestSharedPortOfOneTick(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		w.register("w2", "good:1")
		w.tell()
		list := []*process{{count: 100, start: 100}, {count: 200, start: 100}, {count: 300, start: 100}}
		w.shared(list, 50, func(round int) int { return []int{2, 1, 0, 2, 0, 2}[round%6] }, func(p *process) {
			p.count++
			p.cpu = math.Floor((math.Mod(p.count, 100) + 1) / 2)
		})
		w.wantShared("1")
	})
}

// TestSharedPortRegistered has both processes registered with the address that they share.
func TestSharedPortRegistered(t *testing.T) {
	for _, start := range []float64{0, 100} {
		t.Run(fmt.Sprint("start ", start), func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.register("w1", "a:1")
				w.register("w2", "a:1")
				w.register("w9", "good:1")
				w.tell()
				list := []*process{{count: 500, start: start, id: "w2"}, {count: 400, start: start, id: "w1"}}
				w.shared(list, 50, func(round int) int { return round % 2 }, slowly)
				w.wantShared("2")
				w.wantStates("2:failed 9:up")
				if w.logged(`\"w2\" and \"w1\" answer in turn`) == 0 {
					t.Error(w.log)
				}
			})
		})
	}
}

// TestNotShared are ends and beginnings that look a little like it. All count, and nobody fails.
func TestNotShared(t *testing.T) {
	f := func(name string, lives int, scrapes int, start func(life int) float64) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.register("w1", "a:1")
				w.tell()
				truth := 0.0
				for life := range lives {
					p := &process{start: start(life)}
					for range scrapes + life%3 {
						p.count += 10
						truth += 10
						w.at("a:1", p.answer())
						w.want("x_total", fmt.Sprint(truth))
						w.wantStates("1:up")
					}
				}
			})
		})
	}
	f("recycled on one port", 30, 3, func(life int) float64 { return float64(100 * (life + 1)) })
	f("recycled on one port, short lives", 30, 2, func(life int) float64 { return float64(100 * (life + 1)) })
	f("resets", 12, 30, func(int) float64 { return 100 })
	f("recycled without identity", 12, 30, func(int) float64 { return 0 })
}

// TestOverlapIsNotShared has the old process answer once more while the new one begins, as in a reload of a server with
// SO_REUSEPORT.
func TestOverlapIsNotShared(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		w.register("w9", "good:1")
		w.at("good:1", answer{page: counter(0, 5)})
		w.tell()
		old, young := &process{count: 500, start: 100}, &process{count: 3, start: 200}
		for _, p := range []*process{old, young, old, young, young, young} {
			w.at("a:1", p.answer())
			w.total()
			p.count++
		}
		w.want("x_total", "506") // but for what the old one counted at the very end
		w.wantStates("1:up 9:up")
		if w.logged("Several processes") > 0 {
			t.Error(w.log)
		}
	})
}

// TestOverlapOfRegisteredIsNotShared is the same of workers that sign their pages: neither may depart by it.
func TestOverlapOfRegisteredIsNotShared(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		w.register("w9", "good:1")
		w.at("good:1", answer{page: counter(0, 5)})
		w.tell()
		old, young := &process{count: 500, start: 100, id: "w1"}, &process{count: 3, start: 200, id: "w2"}
		w.at("a:1", old.answer())
		w.want("x_total", "500")
		w.register("w2", "a:1")
		w.tell()
		for _, p := range []*process{young, old, young} {
			w.at("a:1", p.answer())
			w.want("x_total", fmt.Sprint(500+young.count))
		}
		w.deregister("w1")
		time.Sleep(time.Minute)
		w.want("x_total", "503")
		w.wantStates("2:up 9:up")
	})
}

// TestSharedPortByChance has processes that show their start answer by chance, die and are replaced, whatever they
// count: the merged counter is never above the truth.
func TestSharedPortByChance(t *testing.T) {
	for seed := range uint64(40) {
		chance := rand.New(rand.NewPCG(seed, 7))
		inWorld(t, nil, func(w *world) {
			w.register("w1", "a:1")
			w.register("w2", "good:1")
			w.tell()
			var list []*process
			for i := range 2 + chance.IntN(3) {
				list = append(list, &process{count: float64(chance.IntN(1000)), start: float64(100 * (i + 1))})
			}
			few := list
			w.shared(list, 150, func(round int) int {
				if round%40 == 0 { // for a while only some of them answer
					few = list[:1+chance.IntN(len(list))]
				}
				return chance.IntN(len(few))
			}, func(p *process) { p.count += float64(chance.IntN(100)) })
		})
	}
}

// One process whose values go to and fro between two pages, as replayed pages do, tells its start: it resets, and
// nobody else is at its port. Each page is compared with those of before the falls: one that repeats itself is one.
func TestReplayedPagesAreNotShared(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "h:1")
		w.tell()
		for i := range 10 {
			w.at("h:1", answer{page: counter(float64(5+i%2), 100)})
			w.value("x_total")
			w.wantStates("1:up")
		}
		for _, in := range w.federator.instances {
			if n := len(in.members["w1"].port.former); n != 1 {
				t.Errorf("%d former pages are remembered of one", n)
			}
		}
	})
}
