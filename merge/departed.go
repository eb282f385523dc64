package merge

import (
	"maps"
	"time"
)

// departedID holds the gauges of mode all of the last folded worker of one worker ID.
type departedID struct {
	at     time.Time
	slots  []Slot
	values []float64
}

func (d *departedID) addTo(f *Fold, id string) {
	for i, slot := range d.slots {
		if f.class[slot] == classGauge && f.lines[slot].variant.family.mode == ModeAll {
			g := f.gauge(slot)
			g.n++
			g.all = append(g.all, member{id, nil, d.values[i]})
		}
	}
}

// keepAll keeps a folded worker's gauges for departed_gauges, of at most departed_limit worker IDs.
func (f *Fold) keepAll(id string, d *departedID) {
	maps.DeleteFunc(f.departedAll, func(_ string, o *departedID) bool { return d.at.Sub(o.at) > f.opts.DepartedGauges })
	if _, has := f.departedAll[id]; !has && len(f.departedAll) >= max(f.opts.DepartedLimit, 1) {
		return
	}
	f.departedAll[id] = d
}

// extremes are the lowest and highest value of folded workers, in windows of a sixteenth of departed_retention, so
// that ten thousand departures cost what sixteen do.
type extremes struct {
	windows   [17]window
	retention time.Duration // that the windows are made for: a reload may change it
	forever   span
}

type window struct {
	number int64
	span
}

type span struct{ min, max float64 }

func (s *span) add(v float64) {
	if !(s.min <= v) {
		s.min = v
	}
	if !(s.max >= v) {
		s.max = v
	}
}

// windowOf numbers windows from 1.
func windowOf(at, retention time.Duration) int64 {
	return 1 + int64(max(at, 0))/max(int64(retention)/16, 1)
}

func (e *extremes) add(at, retention time.Duration, v float64) {
	if v != v {
		return
	}
	e.forever.add(v)
	if e.retention != retention {
		low, high, ok := e.over(at, false)
		e.retention, e.windows = retention, [17]window{}
		if ok {
			e.put(at, low)
			e.put(at, high)
		}
	}
	e.put(at, v)
}

func (e *extremes) put(at time.Duration, v float64) {
	n := windowOf(at, e.retention)
	w := &e.windows[n%int64(len(e.windows))]
	if w.number != n {
		*w = window{n, span{v, v}}
	}
	w.add(v)
}

// over gives the extremes of the workers that departed within the retention, or of all.
func (e *extremes) over(now time.Duration, forever bool) (low, high float64, ok bool) {
	if forever {
		return e.forever.min, e.forever.max, true
	}
	var s span
	n := windowOf(now, e.retention)
	for _, w := range e.windows {
		if w.number == 0 || n-w.number > 16 {
			continue
		}
		if !ok {
			s, ok = w.span, true
		}
		s.add(w.min)
		s.add(w.max)
	}
	return s.min, s.max, ok
}
