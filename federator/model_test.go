package federator

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/ledger"
	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/relabel"
)

// TestModel runs random schedules of births, deaths, goodbyes, hangs, resets, returns, removals, clock steps, changes
// of address, reused ports, empty registries and restarts of the federator against a naive model, which knows what the
// processes really counted and what of it nobody can know any more. After each page no counter is lower than on the
// page before, and each is what the model says.
//
// FEDSCRAPE_MODEL_SEED replays one schedule, FEDSCRAPE_MODEL_SCHEDULES says how many.
func TestModel(t *testing.T) {
	n, seed := 300, uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	if s := os.Getenv("FEDSCRAPE_MODEL_SCHEDULES"); s != "" {
		n = int(number(t, s)) //nolint:gosec // a count
	}
	if s := os.Getenv("FEDSCRAPE_MODEL_SEED"); s != "" {
		n, seed = 1, number(t, s)
	}
	t.Logf("%d schedules from FEDSCRAPE_MODEL_SEED=%d on", n, seed)
	steps := map[string]int{}
	for i := range n {
		if !t.Run("", func(t *testing.T) { runSchedule(t, seed+uint64(i), steps) }) { //nolint:gosec // not negative
			t.Fatalf("FEDSCRAPE_MODEL_SEED=%d", seed+uint64(i)) //nolint:gosec // not negative
		}
	}
	total := 0
	for _, s := range modelSteps {
		total += steps[s.name]
		if n >= 300 && steps[s.name] < n/10 {
			t.Errorf("only %d times %q", steps[s.name], s.name)
		}
	}
	t.Logf("%d steps: %v", total, steps)
}

func number(t *testing.T, s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// process is a worker as it really is.
type modelProcess struct {
	key, address        string
	start, said         float64 // when it started, by the clock now and as it said when it registered
	alive, hung, listed bool
	value               [2]float64 // what its page shows: x_total, and y_total where it has it
	hasY                bool

	// What the model knows of the federator's view.
	present, folded      bool
	ever, seenOnce, kept bool   // gave a good page ever, and since it came in; the last page had it as present
	told, keptAt         string // where discovery said that it is, now and at the last page
	failures             int
	departed, goodbye    time.Time
	has                  [2]float64 // what the merged counters have of it
	seen                 [2]float64 // what its last good page showed
	seenStart            float64
}

// truth is the naive model.
type truth struct {
	*world
	random *rand.Rand
	list   []*modelProcess
	log    []string
	shown  [2]float64
	naps   int
	saved  time.Time
	stood  time.Duration // for how long retention clocks stood still
	born   int
}

func runSchedule(t *testing.T, seed uint64, counts map[string]int) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, log: &logBuffer{}, registry: prometheus.NewRegistry(), answers: map[string]answer{}, asked: map[string]int{},
			workers: map[string]discovery.Worker{}, ledger: ledger.NewMemory(),
		}
		w.job = &Job{
			Name: "webapp", Merge: merge.NewOptions(), Fetcher: w, ScrapeTimeout: 10 * time.Second, BodySizeLimit: 1 << 20,
			Metric: relabel.NewMetric(nil), ServeEmpty: true,
		}
		w.start()
		defer func() { w.federator.Close() }()
		m := &truth{world: w, random: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // a test
		m.birth()
		m.check()
		for range 40 {
			s := modelSteps[m.random.IntN(len(modelSteps))]
			m.log = append(m.log, s.name)
			s.run(m)
			counts[s.name]++
			if m.random.IntN(2) == 0 {
				m.check()
			}
			if t.Failed() {
				t.Logf("steps:\n%s\nlog:\n%s", strings.Join(m.log, "\n"), w.log)
				return
			}
		}
		m.check()
	})
}

var modelSteps = []struct {
	name string
	run  func(m *truth)
}{
	{"birth", (*truth).birth},
	{"count", (*truth).count},
	{"count more", (*truth).count},
	{"kill", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.alive }, func(p *modelProcess) { p.alive = false })
	}},
	{"reap", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.listed && !p.alive }, (*modelProcess).unlist)
		m.relist()
	}},
	{"hang", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.alive }, func(p *modelProcess) { p.hung = true })
	}},
	{"recover", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.hung }, func(p *modelProcess) { p.hung = false })
	}},
	{"cut off", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.listed }, (*modelProcess).unlist)
		m.relist()
	}},
	{"return", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return !p.listed && p.alive && p.goodbye.IsZero() }, func(p *modelProcess) { p.listed = true })
		m.relist()
	}},
	{"goodbye", (*truth).sayGoodbye},
	{"reset", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.alive && p.goodbye.IsZero() }, (*modelProcess).reset)
	}},
	{"restart in place", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.alive && p.goodbye.IsZero() && !p.folded }, func(p *modelProcess) { p.reset(); p.start += 500 })
	}},
	{"remove", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.alive && p.hasY && p.goodbye.IsZero() }, (*modelProcess).remove)
	}},
	{"clock step", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.alive && p.present && !p.folded && p.goodbye.IsZero() }, func(p *modelProcess) { p.start += 3600 })
	}},
	{"move", func(m *truth) {
		m.pick(func(p *modelProcess) bool { return p.alive && p.listed && p.goodbye.IsZero() }, func(p *modelProcess) {
			m.refuse(p.address)
			m.born++
			p.address = fmt.Sprintf("h:%d", m.born)
		})
		m.relist()
	}},
	{"empty registry", func(m *truth) {
		before := map[*modelProcess]bool{}
		for _, p := range m.list {
			before[p] = p.listed
			p.listed = false
		}
		m.relist()
		m.check()
		for _, p := range m.list {
			p.listed = before[p]
		}
		m.relist()
	}},
	{"no answer of discovery", func(m *truth) {
		m.script()
		m.tell(func(u *discovery.Update) { u.Workers, u.Answered = nil, false })
		m.relist()
	}},
	{"restart of the federator", func(m *truth) {
		m.restart()
		m.stood += time.Since(m.saved) // retention clocks go on from what was saved
		for _, p := range m.list {
			p.failures, p.present, p.told = 0, p.kept, p.keptAt // what only discovery has said is not kept
		}
		if m.random.IntN(3) == 0 {
			m.check() // without discovery
		}
		m.relist()
	}},
	{"nap", func(m *truth) {
		if m.naps++; m.naps <= 5 {
			time.Sleep(time.Duration(1+m.random.IntN(90)) * time.Minute)
		}
	}},
}

// pick does something to one process of those that may.
func (m *truth) pick(may func(*modelProcess) bool, do func(*modelProcess)) {
	var list []*modelProcess
	for _, p := range m.list {
		if may(p) {
			list = append(list, p)
		}
	}
	if len(list) > 0 {
		do(list[m.random.IntN(len(list))])
	}
}

func (m *truth) birth() {
	m.born++
	p := &modelProcess{
		key: fmt.Sprintf("w%d", m.born), address: fmt.Sprintf("h:%d", m.born), start: float64(1_000_000 + 10_000*m.born),
		alive: true, listed: true,
	}
	p.said = p.start
	p.value[0], p.hasY = float64(m.random.IntN(5)), m.random.IntN(2) == 0
	if len(m.list) > 0 && m.random.IntN(3) == 0 { // the port of one that is dead, and may still be registered
		m.pick(func(o *modelProcess) bool { return m.ownerOf(o.address) == nil }, func(o *modelProcess) { p.address = o.address })
	}
	m.list = append(m.list, p)
	m.relist()
}

func (m *truth) count() {
	for _, p := range m.list {
		if p.alive && p.goodbye.IsZero() && m.random.IntN(2) == 0 {
			p.value[0] += float64(1 + m.random.IntN(9))
			if p.hasY {
				p.value[1]++
			}
			if !p.hasY && m.random.IntN(8) == 0 {
				p.hasY, p.value[1] = true, 1
			}
		}
	}
}

// reset makes the process count anew: what it counted since its last page nobody knows, nor whether it was reset
// where it has counted further than that by then.
func (p *modelProcess) reset() { p.value = [2]float64{} }

// remove takes a series away; if it comes back it begins at 0.
func (p *modelProcess) remove() { p.hasY, p.value[1] = false, 0 }

func (p *modelProcess) unlist() { p.listed = false }

// sayGoodbye hands in the last page of a process that ends.
func (m *truth) sayGoodbye() {
	m.pick(func(p *modelProcess) bool { return p.alive && !p.hung && p.present && p.listed }, func(p *modelProcess) {
		m.script()
		scraped := m.random.IntN(2) == 0 // while it is
		if scraped {
			go func() { _, _ = m.gather() }()
		}
		if got := m.hand(p.key, p.start, p.page()); got != "" {
			m.t.Errorf("the goodbye of %s: %s", p.key, got)
		}
		synctest.Wait()
		time.Sleep(15 * time.Second)
		for _, o := range m.list {
			if scraped && o != p {
				m.afterRound(o, m.clock())
			}
		}
		p.see()
		p.alive, p.present, p.kept, p.goodbye = false, false, false, time.Now()
		if m.random.IntN(2) == 0 {
			p.listed = false
			m.relist()
		}
	})
}

func (p *modelProcess) page() string {
	page := fmt.Sprintf("# TYPE x_total counter\nx_total %v\nprocess_start_time_seconds %v\n", p.value[0], p.start)
	if p.hasY {
		page += fmt.Sprintf("# TYPE y_total counter\ny_total{a=\"b\"} %v\n", p.value[1])
	}
	return page
}

// script lets the addresses answer as the processes do.
func (m *truth) script() {
	for _, alive := range []bool{false, true} {
		for _, p := range m.list {
			switch {
			case p.alive != alive:
			case !alive:
				m.refuse(p.address)
			case p.hung:
				m.at(p.address, answer{delay: time.Hour})
			default:
				m.at(p.address, answer{page: p.page(), id: p.key, start: p.start})
			}
		}
	}
}

// relist tells discovery's view, and what follows for the model: who is registered is present, with a base where it
// was folded.
func (m *truth) relist() {
	m.script()
	m.mu.Lock()
	clear(m.workers)
	m.mu.Unlock()
	for _, p := range m.list {
		if !p.listed {
			p.present = p.present && p.seenOnce // who has never shown who it is goes with its registration
			continue
		}
		p.told = p.address
		m.register(p.key, p.address, func(w *discovery.Worker) { w.StartTime = time.Unix(int64(p.said), 0) })
		if p.goodbye.IsZero() && !p.present {
			p.present, p.failures = true, 0
			p.seenOnce = p.seenOnce && !p.folded
		}
	}
	m.tell()
}

// see is a good page of the process. A start time that changed is another life where something fell as well.
func (p *modelProcess) see() {
	another := p.start != p.seenStart && (p.value[0] < p.seen[0] || p.hasY && p.value[1] < p.seen[1])
	for i, v := range p.value {
		switch {
		case p.folded && p.ever && p.start == p.seenStart: // a base
		case p.folded: // another life than the one that was folded
			p.has[i] += v
		case another || v < p.seen[i]:
			p.has[i] += v
		default:
			p.has[i] += v - p.seen[i]
		}
		p.seen[i] = v
	}
	p.seenStart, p.folded, p.failures, p.seenOnce, p.ever = p.start, false, 0, true, true
}

// check takes a page, and holds it against the model and the page before.
func (m *truth) check() {
	m.t.Helper()
	m.script()
	page, err := m.gather()
	if err != nil {
		m.t.Errorf("no page: %v", err)
		return
	}
	for _, p := range m.list {
		m.afterRound(p, m.clock())
	}
	for _, in := range m.federator.all() {
		in.saveBeside() // as sweeps do
	}
	synctest.Wait()
	m.saved = time.Now()
	want := [2]float64{}
	for _, p := range m.list {
		for i := range want {
			want[i] += p.has[i]
		}
	}
	for i, series := range []string{"x_total", "y_total{a=b}"} {
		got, _ := strconv.ParseFloat(strings.Replace(find(page, series), "none", "0", 1), 64)
		if got < m.shown[i] {
			m.t.Errorf("%s fell from %v to %v", series, m.shown[i], got)
		}
		if got != want[i] {
			m.t.Errorf("%s is %v, the processes counted %v", series, got, want[i])
		}
		m.shown[i] = got
	}
	m.log = append(m.log, fmt.Sprintf("page %v", m.shown))
	for _, p := range m.list {
		m.log = append(m.log, fmt.Sprintf("  %s", p))
	}
	time.Sleep(15 * time.Second) // requests to those who hang end
}

// String says all of a process, for the log of a failure.
func (p *modelProcess) String() string {
	return fmt.Sprintf("%s@%s start %v alive %t hung %t listed %t shows %v; present %t folded %t failures %d has %v seen %v", p.key, p.address,
		p.start, p.alive, p.hung, p.listed, p.value, p.present, p.folded, p.failures, p.has, p.seen)
}

// afterRound is what a round makes of a process.
func (m *truth) afterRound(p *modelProcess, now time.Time) {
	owner := m.ownerOf(p.address)
	switch {
	case p.present && p.told != p.address:
		p.failures++
	case p.present && p.alive && !p.hung:
		p.see()
	case p.present && !p.alive && owner != nil && !owner.hung: // another answers there
		p.depart(now, true)
	case p.present && !p.alive && owner == nil && !p.listed:
		p.depart(now, false)
	case p.present && (p.hung || owner != nil):
		if p.failures++; !p.listed && p.failures >= 2 {
			p.depart(now, false)
		}
	}
	if !p.present && !p.departed.IsZero() && now.Sub(p.departed) > m.job.Merge.DepartedRetention {
		p.folded = true
	}
	p.kept, p.keptAt = p.present, p.told
}

func (p *modelProcess) depart(now time.Time, folded bool) {
	p.present, p.departed, p.folded = false, now, folded
}

// clock is what retention goes by.
func (m *truth) clock() time.Time { return time.Now().Add(-m.stood) }

// ownerOf is who lives at an address.
func (m *truth) ownerOf(address string) *modelProcess {
	i := slices.IndexFunc(m.list, func(p *modelProcess) bool { return p.alive && p.address == address })
	if i < 0 {
		return nil
	}
	return m.list[i]
}
