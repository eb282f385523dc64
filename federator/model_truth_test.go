package federator

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// tally is what a page shows, or what merged counters have.
type tally [7]float64

// What is in a tally. A histogram's cumulative buckets and its count are told from a reset together.
const (
	countX = iota // x_total
	countY        // y_total, which a process may not have
	bucket1
	bucket2
	countH
	sumH
	countZ // z_total, which is a gauge in some processes
	kinds
)

var countNames = [kinds]string{"x_total", "y_total", "h_bucket 1", "h_bucket 2", "h_count", "h_sum", "z_total"}

// groups are what begins anew together, and how many of each tell it.
var groups = []struct{ from, to, telling int }{{countX, countX + 1, 1}, {countY, countY + 1, 1}, {bucket1, sumH + 1, 3}, {countZ, countZ + 1, 1}}

func (c *tally) observe(v float64) {
	if v <= 1 {
		c[bucket1]++
	}
	if v <= 2 {
		c[bucket2]++
	}
	c[countH]++
	c[sumH] += v
}

// modelProcess is a worker as it really is.
type modelProcess struct {
	key, address        string
	instance            string
	start, said         float64 // when it started, by the clock now and as it said when it registered
	alive, hung, listed bool
	goodbye             time.Time
	value               tally
	hasY, zCounter      bool

	views, kept map[string]*modelView // by instance, as they are, and as the ledger has them
}

// modelView is what an instance makes of a process.
type modelView struct {
	present, fresh bool // fresh: no page since it came in
	apart          bool // departed, and may return
	departed       time.Time
	told           string
	failures       int
	born           float64

	known, moved bool // an identity is remembered
	id           modelIdentity
	at           time.Time
	left         bool // it has just moved to another instance
	registered   bool
	changed      bool // it has come, or its registration has gone, and nobody has asked it since

	base   bool // its first page is
	joined modelIdentity

	has, seen tally // what the merged counters have of it, and what its last page showed
	ended     tally // what they had when its last life ended
	replaced  bool  // that life is on the ledger's page, or on none
	baseZ     float64
	start     float64
	z         string // what its last page has z_total as
}

// modelIdentity is what is remembered of a process that has been counted; lost: maybe, by a ledger that was lost.
type modelIdentity struct {
	start float64
	lost  bool
}

func (p *modelProcess) view(instance string) *modelView {
	if p.views[instance] == nil {
		p.views[instance] = &modelView{}
	}
	return p.views[instance]
}

func (p *modelProcess) page() string {
	v := &p.value
	page := fmt.Sprintf("# TYPE x_total counter\nx_total %v\nprocess_start_time_seconds %v\n", v[countX], p.start)
	page += fmt.Sprintf("# TYPE h histogram\nh_bucket{le=\"1\"} %v\nh_bucket{le=\"2\"} %v\nh_bucket{le=\"+Inf\"} %v\nh_sum %v\nh_count %v\n",
		v[bucket1], v[bucket2], v[countH], v[sumH], v[countH])
	if p.hasY {
		page += fmt.Sprintf("# TYPE y_total counter\ny_total{a=\"b\"} %v\n", v[countY])
	}
	return page + fmt.Sprintf("# TYPE z_total %s\nz_total %v\n", p.z(), v[countZ])
}

func (p *modelProcess) z() string {
	if p.zCounter {
		return "counter"
	}
	return "gauge"
}

// shows is the page's counters: what it does not have is 0.
func (p *modelProcess) shows() tally {
	c := p.value
	if !p.hasY {
		c[countY] = 0
	}
	if !p.zCounter {
		c[countZ] = 0
	}
	return c
}

// see is a good page of the process. A start time that changed is another life where something fell as well.
func (v *modelView) see(p *modelProcess, now time.Time, lostAt float64) {
	page := p.shows()
	switch {
	case v.fresh && v.basedOn(p, lostAt):
		v.seen, v.baseZ = page, page[countZ]
	case v.fresh:
		v.seen, v.baseZ = tally{}, 0
	case !sameStart(p.start, v.start) && v.fell(p, &page):
		v.ended, v.replaced = v.has, true
		v.seen, v.baseZ, v.z, v.born = tally{}, 0, "", unix(now)
	}
	if page[countZ] < v.seen[countZ] {
		v.baseZ = 0
	}
	for _, g := range groups {
		fell := slices.ContainsFunc([]int{g.from, g.from + 1, g.from + 2}[:g.telling], func(i int) bool { return page[i] < v.seen[i] })
		for i := g.from; i < g.to; i++ {
			if v.has[i] += page[i]; !fell {
				v.has[i] -= v.seen[i]
			}
		}
	}
	v.seen, v.start, v.z, v.fresh, v.failures = page, p.start, p.z(), false, 0
}

// fell tells whether something that both pages have is lower.
func (v *modelView) fell(p *modelProcess, page *tally) bool {
	for i := range page {
		if i != sumH && page[i] < v.seen[i] && (i != countY || p.hasY) && (i != countZ || p.zCounter) {
			return true
		}
	}
	return false
}

// basedOn tells whether only what the process tally from now on tally.
func (v *modelView) basedOn(p *modelProcess, lostAt float64) bool {
	switch {
	case v.joined.lost:
		return p.start < lostAt
	case v.joined.start > 0:
		return v.base && sameStart(v.joined.start, p.start)
	}
	return v.base
}

// succeed makes what the ledger has of the process what there is of it when records without a page are written: a life that has
// ended is among these. Whom the page names is asked, and another life counts whole.
func (v *modelView) succeed(by *modelView) {
	v.known, v.moved, v.id, v.at = by.known, by.moved, by.id, by.at
	if by.replaced {
		v.present = v.present && !v.fresh
		v.replaced, v.has, v.seen, v.baseZ, v.z = true, by.ended, tally{}, 0, ""
	}
}

// identity is what is known of the process where it has been counted.
func (v *modelView) identity(now time.Time) (id modelIdentity, at time.Time, known bool) {
	if (v.present || v.apart) && !v.fresh {
		return modelIdentity{start: v.start}, now, true
	}
	return v.id, v.at, v.known
}

func (v *modelView) remember(id modelIdentity, now time.Time, moved bool) {
	v.known, v.id, v.at, v.moved = true, id, now, moved
}

// join lists the process for its instance.
func (p *modelProcess) join(now time.Time, lostAt float64) {
	v := p.view(p.instance)
	v.told = p.address
	switch {
	case v.present || !p.goodbye.IsZero():
		return
	case v.apart:
		v.present, v.apart, v.failures = true, false, 0
		return
	case !v.known || v.moved:
		p.inherit(v, now)
	}
	if !v.known && p.said < lostAt {
		v.remember(modelIdentity{lost: true}, now, false)
	}
	*v = modelView{
		present: true, fresh: true, told: p.address, born: p.said, has: v.has,
		known: v.known, moved: v.moved, id: v.id, at: v.at, base: v.known, joined: v.id,
	}
}

// inherit takes what the instance that had the process last knows; whoever had it lets go.
func (p *modelProcess) inherit(v *modelView, now time.Time) {
	best, present := v.at, false
	for _, o := range p.views {
		if o == v {
			continue
		}
		id, at, known := o.identity(now)
		if known && (o.present || !present && at.After(best)) {
			v.known, v.id, best, present = true, id, at, o.present
		}
	}
	for _, o := range p.views {
		id, _, known := o.identity(now)
		if o == v || !o.present && !o.apart && (!known || o.moved) {
			continue
		}
		o.left = true
		if o.present, o.apart = false, false; known {
			o.remember(id, now, true)
		}
	}
	if best.After(v.at) || present {
		v.remember(v.id, now, false)
	}
}

// depart takes the process away: for good, or apart.
func (v *modelView) depart(now time.Time, folded bool) {
	v.present, v.departed, v.apart = false, now, !folded
	if folded {
		v.remember(modelIdentity{start: v.start}, now, false)
	}
}

// expire folds what has been apart for too long. Of who never gave a page nothing is remembered.
func (v *modelView) expire(now time.Time, retention time.Duration) {
	if v.apart && now.Sub(v.departed) > retention {
		if v.apart = false; !v.fresh {
			v.remember(modelIdentity{start: v.start}, now, false)
		}
	}
}

// String says all of a view, for the log of a failure.
func (v *modelView) String() string {
	return fmt.Sprintf("present %t fresh %t apart %t known %t moved %t id %v base %t failures %d start %v has %v seen %v z %s",
		v.present, v.fresh, v.apart, v.known, v.moved, v.id, v.base, v.failures, v.start, v.has, v.seen, v.z)
}

// String says all of a process.
func (p *modelProcess) String() string {
	return fmt.Sprintf("%s@%s in %s start %v said %v alive %t hung %t listed %t y %t z %s shows %v", p.key, p.address, p.instance,
		p.start, p.said, p.alive, p.hung, p.listed, p.hasY, p.z(), p.value)
}

// oldestZ is what the oldest process of some has z_total as; empty where none has shown it.
func oldestZ(list []*modelProcess, instance string, has func(*modelView) bool) (z string) {
	oldest := math.Inf(1)
	for _, p := range list {
		if v := p.view(instance); has(v) && v.z != "" && cmp.Less(v.born, oldest) {
			oldest, z = v.born, v.z
		}
	}
	return z
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
