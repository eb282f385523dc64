package merge

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fedscrape/fedscrape/exposition"
)

// naive is the second opinion on the cumulative part of the fold: what each page gained over the one before, added up.
// It knows no ledger, offset or slot.
type naive struct {
	counters map[string]float64
	buckets  map[string]map[float64]float64 // gained between bounds
}

// process is one incarnation of the schedule: what it really counts, and what its last page said.
type process struct {
	inc      *Incarnation
	bounds   []float64
	counters map[string]float64
	hist     map[string][]float64 // observations by bucket of bounds, and the rest
	said     map[string]float64   // counters of the last page
	saidHist map[string][]float64 // cumulative by bound, +Inf last
	present  bool
	certain  bool
	base     bool
	silent   bool // has not said anything yet
}

var lawBounds = [][]float64{{1, 5}, {1, 2, 5}, {2}, {0.5, 10}}

func newProcess(t *rapid.T, f *Fold, n int, now time.Time, base bool) *process {
	name := fmt.Sprintf("p%d", n)
	return &process{
		inc: f.Add(Spec{Key: name, WorkerID: name, Born: now, Base: base}), bounds: rapid.SampledFrom(lawBounds).Draw(t, "bounds"),
		counters: map[string]float64{}, hist: map[string][]float64{}, said: map[string]float64{}, saidHist: map[string][]float64{},
		present: true, base: base, silent: true,
	}
}

// cumulative gives a histogram's page.
func (p *process) cumulative(key string) []float64 {
	out, sum := make([]float64, len(p.hist[key])), 0.0
	for i, n := range p.hist[key] {
		sum += n
		out[i] = sum
	}
	return out
}

// page is what the process exposes now.
func (p *process) page() []sample {
	var out []sample
	for key, v := range p.counters {
		out = append(out, sample{id: counter("c_total", "k", key), v: v})
	}
	for key := range p.hist {
		c := p.cumulative(key)
		for i, v := range c {
			bound := math.Inf(1)
			if i < len(p.bounds) {
				bound = p.bounds[i]
			}
			out = append(out, sample{id: id(exposition.Histogram, "h", exposition.PartBucket, bound, "k", key), v: v})
		}
		out = append(out, sample{id: id(exposition.Histogram, "h", exposition.PartCount, 0, "k", key), v: c[len(c)-1]})
	}
	return out
}

// gain tells the naive fold of a page, and remembers it.
func (m *naive) gain(p *process) {
	if m.counters == nil {
		m.counters, m.buckets = map[string]float64{}, map[string]map[float64]float64{}
	}
	skip := p.base && p.silent
	for key, v := range p.counters {
		before := p.said[key]
		if v < before {
			before = 0
		}
		if skip {
			before = v
		}
		m.counters[key] += v - before
	}
	for key := range p.hist {
		m.gainHist(p, key, skip)
	}
	p.said, p.saidHist, p.silent = maps.Clone(p.counters), map[string][]float64{}, false
	for key := range p.hist {
		p.saidHist[key] = p.cumulative(key)
	}
}

func (m *naive) gainHist(p *process, key string, skip bool) {
	now, before := p.cumulative(key), p.saidHist[key]
	fell := false
	for i := range before {
		fell = fell || now[i] < before[i]
	}
	if before == nil || fell {
		before = make([]float64, len(now))
	}
	if skip {
		before = now
	}
	if m.buckets[key] == nil {
		m.buckets[key] = map[float64]float64{}
	}
	below := 0.0
	for i, v := range now {
		bound := math.Inf(1)
		if i < len(p.bounds) {
			bound = p.bounds[i]
		}
		m.buckets[key][bound] += v - before[i] - below
		below = v - before[i]
	}
}

// upTo is the naive bucket of a bound.
func (m *naive) upTo(key string, bound float64) (sum float64) {
	for b, n := range m.buckets[key] {
		if b <= bound {
			sum += n
		}
	}
	return sum
}

// schedule is a random life of an instance, checked after every step.
type schedule struct {
	f     *Fold
	model naive
	all   []*process
	now   time.Time
	shown map[string]float64
}

func (s *schedule) check(t *rapid.T) {
	shown := map[string]float64{}
	for _, fam := range s.f.Families(s.now) {
		for _, series := range fam.Series {
			key := series.Labels[0].Value
			if fam.Type == exposition.Counter {
				shown["c "+key] = series.Value
				if series.Value != s.model.counters[key] {
					t.Fatalf("c_total{k=%q} is %v, naive %v", key, series.Value, s.model.counters[key])
				}
				continue
			}
			floor := math.Inf(-1) // a base that a reset hides may make a bucket less than the one below
			for _, b := range series.Buckets {
				shown[fmt.Sprint("h ", key, " ", b.UpperBound)] = b.Count
				floor = max(floor, s.model.upTo(key, b.UpperBound))
				if want := floor; b.Count != want {
					t.Fatalf("h{k=%q,le=%v} is %v, naive %v", key, b.UpperBound, b.Count, want)
				}
			}
		}
	}
	for k, before := range s.shown {
		if after, ok := shown[k]; ok && after < before {
			t.Fatalf("%s fell from %v to %v", k, before, after)
		} else if !ok && strings.HasPrefix(k, "c ") {
			t.Fatalf("%s is gone", k)
		}
	}
	s.shown = shown
}

func (s *schedule) scrape(p *process) {
	s.model.gain(p)
	page(s.f, p.inc, s.now, p.page()...)
}

// of draws one of the processes that fit.
func (s *schedule) of(t *rapid.T, fits func(*process) bool) *process {
	var list []*process
	for _, p := range s.all {
		if fits(p) {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		t.Skip("nobody fits")
	}
	return rapid.SampledFrom(list).Draw(t, "process")
}

func present(p *process) bool { return p.present }

var lawKeys = rapid.SampledFrom([]string{"a", "b", "c"})

func (s *schedule) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": s.check,
		"born": func(t *rapid.T) {
			s.all = append(s.all, newProcess(t, s.f, len(s.all), s.now, rapid.IntRange(0, 4).Draw(t, "base") == 0))
		},
		"count": func(t *rapid.T) {
			s.of(t, func(*process) bool { return true }).counters[lawKeys.Draw(t, "key")] += float64(rapid.IntRange(0, 9).Draw(t, "n"))
		},
		"observe": func(t *rapid.T) {
			p, key := s.of(t, func(*process) bool { return true }), lawKeys.Draw(t, "key")
			if p.hist[key] == nil {
				p.hist[key] = make([]float64, len(p.bounds)+1)
			}
			p.hist[key][rapid.IntRange(0, len(p.bounds)).Draw(t, "bucket")]++
		},
		"scrape": func(t *rapid.T) { s.scrape(s.of(t, present)) },
		"reset": func(t *rapid.T) {
			p := s.of(t, present)
			for k := range p.counters {
				p.counters[k] = 0
			}
			for k := range p.hist {
				clear(p.hist[k])
			}
		},
		"remove": func(t *rapid.T) {
			p, key := s.of(t, present), lawKeys.Draw(t, "key")
			delete(p.counters, key)
			delete(p.hist, key)
		},
		"depart": func(t *rapid.T) {
			p := s.of(t, present)
			p.present = false
			s.f.Depart(p.inc, s.now, false)
		},
		"goodbye": func(t *rapid.T) {
			p := s.of(t, present)
			s.scrape(p)
			p.present, p.certain = false, true
			s.f.Depart(p.inc, s.now, true)
		},
		"return": func(t *rapid.T) {
			p := s.of(t, func(p *process) bool { return !p.present && !p.certain })
			if s.f.Return(p.inc) {
				p.present = true
			} else {
				p.certain = true // folded meanwhile
			}
		},
		"time": func(t *rapid.T) {
			s.now = s.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute)
			s.f.FoldExpired(s.now)
		},
	}
}

// TestMergeLaws runs random births, deaths, goodbyes, resets, removals and returns against the naive fold.
func TestMergeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := NewOptions()
		opts.DepartedLimit, opts.SeriesRetention = rapid.IntRange(0, 4).Draw(t, "limit"), 1000*time.Hour
		s := &schedule{f: New(opts), now: t0}
		t.Repeat(s.actions())
	})
}

// FuzzMergeLaws is the same for the fuzzer, which looks for schedules by coverage.
func FuzzMergeLaws(f *testing.F) {
	for seed := range uint64(16) {
		source, schedule := rand.New(rand.NewPCG(seed, seed)), []byte(nil)
		for range 2000 {
			schedule = binary.LittleEndian.AppendUint64(schedule, source.Uint64())
		}
		f.Add(schedule)
	}
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		s := &schedule{f: New(NewOptions()), now: t0}
		s.f.opts.DepartedLimit = 2
		for range 3 { // a schedule of nobody tells nothing
			s.all = append(s.all, newProcess(t, s.f, len(s.all), s.now, false))
		}
		t.Repeat(s.actions())
	}))
}
