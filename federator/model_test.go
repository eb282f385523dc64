package federator

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/ledger"
	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/relabel"
)

// TestModel runs random schedules of births, deaths, goodbyes, hangs, resets, returns, removals, types that change, clock
// steps, changes of address, reused ports, empty registries, moves between two instances, jobs taken out of the
// configuration and back, ledgers that cannot be written, lost and forgotten ones, and restarts of the federator against
// a naive model, which knows what the processes really counted and what of it nobody can know any more. After each page
// no counter is lower than on the page before, and each is what the model says.
//
// FEDSCRAPE_MODEL_SEED is that of the first schedule, FEDSCRAPE_MODEL_SCHEDULES says how many: 1 replays one.
func TestModel(t *testing.T) {
	n, seed := 300, uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	if s := os.Getenv("FEDSCRAPE_MODEL_SCHEDULES"); s != "" {
		n = int(number(t, s)) //nolint:gosec // a count
	}
	if s := os.Getenv("FEDSCRAPE_MODEL_SEED"); s != "" {
		seed = number(t, s)
	}
	less(t, 300) // the words of two or three workers
	t.Logf("%d schedules from FEDSCRAPE_MODEL_SEED=%d on", n, seed)
	steps := &stepCounts{n: map[string]int{}}
	t.Run("", func(t *testing.T) { // ends when all have
		for worker := range 2 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for i := uint64(worker); i < uint64(n); i += 2 { //nolint:gosec // not negative
					if !t.Run("", func(t *testing.T) { runSchedule(t, seed+i, steps) }) {
						t.Fatalf("FEDSCRAPE_MODEL_SCHEDULES=1 FEDSCRAPE_MODEL_SEED=%d", seed+i)
					}
				}
			})
		}
	})
	total := 0
	for _, s := range modelSteps {
		total += steps.n[s.name]
		if n >= 300 && steps.n[s.name] < n/10 {
			t.Errorf("only %d times %q", steps.n[s.name], s.name)
		}
	}
	t.Logf("%d steps: %v", total, steps.n)
}

// stepCounts is how often each step was made.
type stepCounts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *stepCounts) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[name]++
}

func number(t *testing.T, s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// modelInstances are those that processes move between.
var modelInstances = []string{"web1", "web2"}

// truth is the naive model.
type truth struct {
	*world
	random *rand.Rand
	disk   *sick
	full   bool // the disk
	list   []*modelProcess
	log    []string
	naps   int
	born   int
	begun  time.Time // of the last round
	lostAt float64   // when a ledger was lost last
	zIsA   string    // what processes have z_total as from now on

	shown      map[string]tally // by instance
	z, keptZ   map[string]string
	unanswered bool            // discovery, since the federator began
	paged      map[string]bool // instances, since the federator began
}

func runSchedule(t *testing.T, seed uint64, steps *stepCounts) {
	synctest.Test(t, func(t *testing.T) {
		disk := &sick{Ledger: ledger.NewMemory()}
		w := &world{
			t: t, log: &logBuffer{}, registry: prometheus.NewRegistry(), answers: map[string]answer{}, asked: map[string]int{},
			workers: map[string]discovery.Worker{}, ledger: disk,
		}
		w.job = &Job{
			Name: "webapp", Merge: merge.NewOptions(), Fetcher: w, ScrapeTimeout: 10 * time.Second, SweepInterval: time.Minute, BodySizeLimit: 1 << 20,
			Metric: relabel.NewMetric(nil), ServeEmpty: true,
		}
		w.start()
		defer func() { w.federator.Close() }()
		m := &truth{
			world: w, disk: disk, random: rand.New(rand.NewPCG(seed, 1)), zIsA: "gauge", //nolint:gosec // a test
			shown: map[string]tally{}, z: map[string]string{}, keptZ: map[string]string{}, paged: map[string]bool{},
		}
		m.federator.meetings.start()
		m.birth()
		m.check()
		for range 40 {
			s := modelSteps[m.random.IntN(len(modelSteps))]
			m.log = append(m.log, s.name)
			s.run(m)
			steps.add(s.name)
			if m.random.IntN(2) == 0 {
				m.check()
			}
			if t.Failed() {
				t.Logf("seed %d, steps:\n%s\nlog:\n%s", seed, strings.Join(m.log, "\n"), w.log)
				return
			}
		}
		m.check()
	})
}

// check takes a page of each instance, and holds it against the model and the page before.
func (m *truth) check() {
	m.t.Helper()
	m.script()
	for _, instance := range modelInstances {
		m.begun = time.Now()
		page, err := m.federator.Gather(m.t.Context(), "webapp", instance)
		if err != nil {
			m.absent(instance, err)
			continue
		}
		m.afterRound(instance)
		m.compare(instance, page)
		for _, in := range m.federator.all() {
			in.saveBeside(&keeping{}) // as sweeps do
		}
		synctest.Wait()
		m.keep(instance, true)
	}
	for _, p := range m.list {
		m.log = append(m.log, fmt.Sprintf("  %s", p))
		for _, instance := range modelInstances {
			m.log = append(m.log, fmt.Sprintf("    %s: %s", instance, p.view(instance)))
		}
	}
	time.Sleep(15 * time.Second) // requests to those who hang end
}

// absent is an instance that the federator does not know: nothing may have been counted there.
func (m *truth) absent(instance string, err error) {
	for _, p := range m.list {
		if v := p.view(instance); v.present || v.has != (tally{}) {
			m.t.Errorf("no page of %s: %v", instance, err)
			return
		}
	}
}

func (m *truth) compare(instance string, page *Page) {
	want, got, before := tally{}, countsOf(page), m.shown[instance]
	for _, p := range m.list {
		for i, n := range p.view(instance).has {
			want[i] += n
		}
	}
	want[bucket2] = max(want[bucket2], want[bucket1]) // a reset that ends higher cannot be seen; buckets never fall from one to the next
	want[countH] = max(want[countH], want[bucket2])
	for i, name := range countNames {
		if i == countZ && m.z[instance] != "counter" {
			want[i], before[i] = 0, 0
		}
		if got[i] < before[i] && i != sumH { // a sum may fall, and tells no reset
			m.t.Errorf("%s: %s fell from %v to %v", instance, name, before[i], got[i])
		}
		if got[i] != want[i] {
			m.t.Errorf("%s: %s is %v, the processes counted %v", instance, name, got[i], want[i])
		}
	}
	if degraded := find(page, "fedscrape_ledger_degraded") != "none"; degraded != m.full {
		m.t.Errorf("%s: degraded %t, and the disk is full %t", instance, degraded, m.full)
	}
	m.shown[instance] = got
	m.log = append(m.log, fmt.Sprintf("page of %s %v z %s", instance, got, m.z[instance]))
}

func countsOf(page *Page) (c tally) {
	for _, filled := range page.Families {
		fam := filled.Family()
		for _, s := range fam.Series {
			switch {
			case fam.Name == "x_total":
				c[countX] = s.Value
			case fam.Name == "y_total":
				c[countY] = s.Value
			case fam.Name == "z_total" && len(s.Labels) == 0:
				c[countZ] = s.Value
			case fam.Name == "h":
				c[bucket1], c[bucket2], c[countH], c[sumH] = s.Buckets[0].Count, s.Buckets[1].Count, s.Count, s.Sum
			}
		}
	}
	return c
}

// afterRound is what a round makes of an instance.
func (m *truth) afterRound(instance string) {
	now := time.Now()
	m.paged[instance] = true
	for _, p := range m.list {
		v := p.view(instance)
		v.changed = v.changed && m.superseded(p, instance)
		v.failures++
		if failed := m.answer(p, instance, now); failed && v.failures >= 2 && !m.registered(p, instance) {
			v.depart(now, false)
		}
	}
	for _, p := range m.list {
		p.view(instance).expire(now, m.job.Merge.DepartedRetention)
	}
	m.settleZ(instance)
}

// registered tells whether the federator takes a process for registered in an instance.
func (m *truth) registered(p *modelProcess, instance string) bool {
	return m.unanswered || p.listed && p.instance == instance
}

// answer is what the federator makes of a process that it asks, and tells whether it keeps one that has failed: how often it may,
// rounds count and meetings do not.
func (m *truth) answer(p *modelProcess, instance string, now time.Time) (failed bool) {
	v := p.view(instance)
	owner := m.ownerOf(p.address)
	registered := m.registered(p, instance)
	switch {
	case !v.present:
	case v.told != p.address:
		if !registered && m.ownerOf(v.told) == nil { // it has moved, and that is not known
			v.depart(m.begun, false)
		}
	case p.alive && !p.hung:
		v.see(p, now, m.lostAt)
	case !p.alive && owner != nil && !owner.hung && (!v.fresh || owner.view(instance).present): // who is known to be another
		v.depart(m.begun, true)
	case !p.alive && (owner == nil || !owner.hung) && !registered:
		v.depart(m.begun, false)
	default:
		return true
	}
	return false
}

// settleZ drops what counted as a type that the oldest process does not have any more, and what was left behind of the one
// that it has.
func (m *truth) settleZ(instance string) {
	z, old := oldestZ(m.list, instance, func(v *modelView) bool { return v.present && !v.fresh }), m.z[instance]
	changed := z != "" && z != old
	if changed {
		m.z[instance] = z
	}
	for _, p := range m.list {
		v := p.view(instance)
		if changed && old != "" && !v.present {
			v.z, v.seen[countZ], v.baseZ = "", 0, 0
		}
		if !changed && m.z[instance] == "counter" {
			continue
		}
		v.ended[countZ] = 0
		if v.has[countZ] = 0; v.present && v.z == "counter" {
			v.has[countZ] = v.seen[countZ] - v.baseZ
		}
	}
}

// keep is what the ledger has of an instance after a page, or after records without one: these have who departed, and the type
// that was decided.
func (m *truth) keep(instance string, page bool) {
	if m.full {
		return
	}
	for _, p := range m.list {
		v, kept := p.view(instance), &modelView{}
		if page || !v.present {
			v.replaced = false
			*kept = *v
		} else { // its page is to come; identities are among the records
			if p.kept[instance] != nil {
				*kept = *p.kept[instance]
			}
			kept.succeed(v)
		}
		p.kept[instance] = kept
	}
	m.keptZ[instance] = m.z[instance]
}

// ownerOf is who lives at an address.
func (m *truth) ownerOf(address string) *modelProcess {
	for _, p := range m.list {
		if p.alive && p.address == address {
			return p
		}
	}
	return nil
}
