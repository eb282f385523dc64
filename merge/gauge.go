package merge

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// gauge gathers what the workers say of one line. Each mode picks what it needs.
type gauge struct {
	n        int
	sum      sum
	min, max float64
	recent   recent
	all      []member
}

// member is one worker's value, shown with the worker label.
type member struct {
	workerID string
	inc      *Incarnation // nil where it is folded
	value    float64
}

// recent is a value and how sure it is that it is the newest.
type recent struct {
	value float64
	rank  rank
}

// rank orders values by age: a change that was seen, or a sample's own timestamp, above a value never seen to
// change, and that above a 0 never seen to change.
type rank struct {
	kind uint8 // 0: zero, 1: never seen to change, 2: timestamp or change
	at   int64 // milliseconds
	seq  uint64
}

func (r rank) above(o rank) bool {
	switch {
	case r.kind != o.kind:
		return r.kind > o.kind
	case r.at != o.at:
		return r.at > o.at
	}
	return r.seq > o.seq
}

// gauges are what was gathered, by slot. They are used again.
type gauges struct {
	at   []*gauge
	used []Slot
	pool []*gauge
}

// clear makes room for so many slots, and forgets all.
func (g *gauges) clear(n int) {
	for _, slot := range g.used {
		g.at[slot] = nil
	}
	if g.used = g.used[:0]; len(g.at) < n {
		g.at = append(g.at, make([]*gauge, n-len(g.at))...)
	}
}

// of gives what was gathered of a slot; nil where nothing was.
func (g *gauges) of(slot Slot) *gauge {
	if int(slot) < len(g.at) {
		return g.at[slot]
	}
	return nil
}

func (f *Fold) gauge(slot Slot) *gauge {
	gs := &f.gauges
	if g := gs.at[slot]; g != nil {
		return g
	}
	n := len(gs.used)
	if n == len(gs.pool) {
		gs.pool = append(gs.pool, &gauge{})
	}
	g := gs.pool[n]
	*g = gauge{min: math.NaN(), max: math.NaN(), all: g.all[:0]}
	gs.at[slot], gs.used = g, append(gs.used, slot)
	return g
}

// extend takes one more value into the extremes; a NaN counts only where there is nothing else.
func (g *gauge) extend(low, high float64) {
	if !(g.min <= low) && !math.IsNaN(low) {
		g.min = low
	}
	if !(g.max >= high) && !math.IsNaN(high) {
		g.max = high
	}
}

// addGauge counts a present or kept departed worker's value. raw is the worker's own slot, slot where it counts.
func (f *Fold) addGauge(inc *Incarnation, raw, slot Slot, v float64) {
	mode, live := f.lines[slot].variant.family.mode.live()
	if live && !inc.up {
		return
	}
	g := f.gauge(slot)
	g.n++
	switch mode {
	case ModeAll:
		g.all = append(g.all, member{inc.WorkerID, inc, v})
	case ModeSum, ModeAvg:
		g.sum.add(v)
	case ModeMostRecent:
		if r := inc.rankOf(raw, v); g.n == 1 || r.above(g.recent.rank) {
			g.recent = recent{v, r}
		}
	default:
		g.extend(v, v)
	}
}

func (inc *Incarnation) rankOf(slot Slot, v float64) rank {
	if ms, ok := inc.stamps[slot]; ok {
		return rank{2, ms, inc.seq}
	}
	if r, ok := inc.ranks[slot]; ok {
		return r
	}
	if v == 0 {
		return rank{0, 0, inc.seq}
	}
	return rank{1, 0, inc.seq}
}

// rank notes which gauges the worker was seen to change. What appears in a later page was set in between.
func (c *commit) rank() {
	if !c.inc.committed {
		return
	}
	for i, slot := range c.st.slots {
		if c.class[c.target[slot]] != classGauge || !isRecent(c.lines[c.target[slot]].variant.family.mode) {
			continue
		}
		v := c.st.values[i]
		if c.previousMark[slot] != c.generation || math.Float64bits(c.previous[slot]) != math.Float64bits(v) {
			c.inc.ranks[slot] = rank{2, c.now.UnixMilli(), c.inc.seq}
		}
	}
}

func isRecent(m Mode) bool { return m == ModeMostRecent || m == ModeLiveMostRecent }

// addDeparted counts the gauges of a worker that is gone but kept apart. Its cumulative lines are in f.kept.
func (f *Fold) addDeparted(inc *Incarnation, now time.Time) {
	all := now.Sub(inc.departedAt) <= f.opts.DepartedGauges && !f.taken(inc.WorkerID)
	for _, i := range inc.apart {
		raw := inc.slots[i]
		slot := f.target[raw]
		if f.class[slot] == classCreated {
			f.addStart(slot, inc.last[i])
			continue
		}
		switch f.lines[slot].variant.family.mode {
		case ModeMin, ModeMax, modeForever, ModeSum, ModeMostRecent, ModeAvg:
			f.addGauge(inc, raw, slot, inc.last[i])
		case ModeAll:
			if all {
				f.addGauge(inc, raw, slot, inc.last[i])
			}
		default: // live modes end with the worker
		}
	}
}

// taken tells whether a present worker has the worker ID.
func (f *Fold) taken(workerID string) bool {
	return slices.ContainsFunc(f.incarnations, func(inc *Incarnation) bool { return inc.present && inc.WorkerID == workerID })
}

// addFolded counts what folded workers' gauges left.
func (f *Fold) addFolded(now time.Time) {
	for slot, r := range f.recent {
		if f.class[slot] == classGauge && f.lines[slot].variant.family.mode == ModeMostRecent {
			if g := f.gauge(slot); g.n == 0 || r.rank.above(g.recent.rank) {
				g.n, g.recent = g.n+1, r
			}
		}
	}
	for slot, e := range f.extremes {
		f.addExtremes(slot, e, now)
	}
	for id, d := range f.departedAll {
		if now.Sub(d.at) <= f.opts.DepartedGauges && !f.taken(id) {
			d.addTo(f, id)
		}
	}
}

func (f *Fold) addExtremes(slot Slot, e *extremes, now time.Time) {
	if f.class[slot] != classGauge {
		return
	}
	fam := f.lines[slot].variant.family
	low, high, ok := e.over(f.elapsed(now), fam.forever)
	if mode, live := fam.mode.live(); !ok || live || mode != ModeMin && mode != ModeMax && mode != modeForever {
		return
	}
	g := f.gauge(slot)
	g.n++
	g.extend(low, high)
}

// renderGauge gives a gauge's merged value, or one series per worker.
func (f *Fold) renderGauge(dst []exposition.Series, s *series) []exposition.Series {
	mode, _ := s.variant.family.mode.live()
	if mode == ModeAll {
		g := f.gauges.of(s.value)
		if g == nil {
			return dst
		}
		return f.renderAll(dst, s, s.value, g.all, func(v float64) exposition.Series { return exposition.Series{Value: v} })
	}
	if v, ok := f.gaugeValue(s.value, mode); ok {
		dst = append(dst, exposition.Series{Labels: s.labels, Value: v})
	}
	return dst
}

// gaugeValue gives a gauge's merged value; false where nobody has one.
func (f *Fold) gaugeValue(slot Slot, mode Mode) (float64, bool) {
	g := f.gauges.of(slot)
	if mode == ModeSum && f.folded[slot] {
		total := f.ledger[slot]
		if g != nil {
			total.addSum(g.sum)
		}
		return total.value(), true
	}
	if g == nil || g.n == 0 {
		return 0, false
	}
	return g.value(mode), true
}

func (g *gauge) value(mode Mode) float64 {
	switch mode {
	case ModeMin, modeForever:
		return g.min
	case ModeMax:
		return g.max
	case ModeAvg:
		return g.sum.value() / float64(g.n)
	case ModeMostRecent:
		return g.recent.value
	default:
		return g.sum.value()
	}
}

// renderAll gives one series per worker, in the order of worker IDs. The later of two with one ID is left out.
func (f *Fold) renderAll(dst []exposition.Series, s *series, slot Slot, all []member, of func(float64) exposition.Series) []exposition.Series {
	slices.SortStableFunc(all, func(a, b member) int { return strings.Compare(a.workerID, b.workerID) })
	for i, m := range all {
		if i > 0 && all[i-1].workerID == m.workerID {
			continue
		}
		out := of(m.value)
		l := f.workerLabels(s, slot, m)
		out.Labels = l
		dst = append(dst, out)
	}
	return dst
}

// workerLabels adds the worker label; the series' own label of that name becomes exported_…, as in Prometheus.
func (f *Fold) workerLabels(s *series, slot Slot, m member) exposition.Labels {
	if m.inc != nil {
		if l, ok := m.inc.labels[slot]; ok {
			return l
		}
	}
	l := WithWorker(s.labels, f.opts.WorkerLabel, m.workerID)
	if m.inc != nil {
		m.inc.labels[slot] = l
	}
	return l
}

// WithWorker gives labels with the worker label added; a label of that name is renamed exported_….
func WithWorker(labels exposition.Labels, name, value string) exposition.Labels {
	out := make(exposition.Labels, 0, len(labels)+1)
	has := func(n string) bool {
		return slices.ContainsFunc(labels, func(l exposition.Label) bool { return l.Name == n })
	}
	for _, l := range labels {
		if l.Name == name {
			for l.Name = "exported_" + name; has(l.Name); {
				l.Name = "exported_" + l.Name
			}
		}
		out = append(out, l)
	}
	out = append(out, exposition.Label{Name: name, Value: value})
	slices.SortFunc(out, func(a, b exposition.Label) int { return strings.Compare(a.Name, b.Name) })
	return out
}
