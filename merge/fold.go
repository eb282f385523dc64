package merge

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// Fold is one instance. It is safe for concurrent use; a page that arrives touches it only where a line is new.
type Fold struct {
	mu   sync.Mutex
	opts Options

	families map[string]*family
	lines    []line
	series   int

	incarnations []*Incarnation // present and kept departed ones, in the order of age
	seq          uint64
	ledger       []sum                  // by slot: what folded incarnations left; buckets between neighbouring bounds
	recent       map[Slot]recent        // by slot: the most recent value of folded incarnations' gauges
	extremes     map[Slot]*extremes     // by slot: lowest and highest of folded incarnations' gauges
	departedAll  map[string]*departedID // by worker ID: gauges of mode all of folded incarnations
	hints        map[string]Mode        // the last hint of a worker that is gone
	metas        map[string]*meta       // the last HELP and UNIT of a worker that is gone
	lastMetas    *metaSet               // of a page that was taken lately; empty: of none
	isBucket     []bool                 // by slot: lines has it too, spread over more memory than adding up should read
	known        []bool                 // by slot: somebody has, or had, the line, and it has not expired
	folded       []bool                 // by slot: folded incarnations left something of a gauge's sum, be it 0
	refused      int
	recount      time.Time // when a pending series is given up; zero: never
	full         bool      // makeRoom found nothing to let go since held

	nobody *series     // of the lines of free slots
	freed  []freedSlot // the longest free first

	fewFreed int // what Compact takes for few, at most
	rules    int // how often Relabeled was called
	durable

	// Derived from the above; rebuilt where stale.
	class          []class
	target         []Slot  // where a line of an untyped family counts when another worker knows the type
	joined         bool    // some target is another slot
	layout         bool    // class and target hold
	held           bool    // holders, holdersPresent and kept hold
	holders        []int32 // by slot: incarnations that have the line
	holdersPresent []int32
	hidden         []*series // that another family already prints
	mixed          []*series // whose workers disagree on bounds
	unheld         []*series // that are shown, and no present worker has
	heldAt         time.Time // when all others were held last; zero: never
	kept           []sum     // by slot: ledger, kept departed incarnations' pages and all offsets; of buckets nothing
	between        []sum     // by slot: the same of buckets between neighbouring bounds
	order          []*family
	ordered        bool

	shown []float64 // by slot: what was exported last, so that rounding never lowers it

	exemplars []*exemplar // by slot, as far as some were ever seen

	total      []sum // by slot: scratch of Render, as kept
	betweenNow []sum // the same of buckets between neighbouring bounds
	arrived    arrived
	startMin   []float64 // by slot of a start time: the earliest
	startCount []int32
	has        []bool // by slot: some incarnation that counts here has the line
	gauges     gauges // scratch of Render

	// Scratch of Commit and Render, by slot.
	generation   uint64
	mark         []uint64
	previous     []float64
	previousMark []uint64
	keyBuffer    []byte

	traits    []trait // by slot
	traitsFor uint64  // the meaning when they were noted
	numbered  []*variant
	several   []*series // that have parts
	ends      []*series // of a departed incarnation, whose buckets are all noted
	blocks    []blockMark

	marked         []Slot // of series of which pages may have something to say
	markedFamilies []markedFamily
	markedFor      uint64 // the shape when they were found

	shape    uint64              // changes with what workers have, and what the fold makes of it: what is derived from that is made anew
	meaning  uint64              // changes with what lines are to the fold
	rendered []exposition.Series // scratch of Render, for one family
	buckets  []exposition.Bucket // the same
	numbers  int                 // of the last page

	found   []Conflict // what Conflicts gave
	foundAt uint64     // in which shape

	spare  [][]float64 // buffers of stages that have ended
	sizes  orderSizes  // of the last order
	common int         // how many lines the last page had that was new, maxCommon at most
	turns  uint64      // how many pages were taken

	saying uint64 // changes with what incarnations say, but for one by its own page: what was said ahead does not hold
}

// New gives an empty fold.
func New(opts Options) *Fold {
	free := &variant{family: &family{name: hintFamily}}
	return &Fold{
		opts: opts, families: map[string]*family{}, recent: map[Slot]recent{},
		extremes: map[Slot]*extremes{}, departedAll: map[string]*departedID{}, hints: map[string]Mode{}, metas: map[string]*meta{}, lastMetas: &metaSet{},
		nobody: newSeries(free, nil), fewFreed: fewFreed,
	}
}

// SetOptions takes effect with the next page.
func (f *Fold) SetOptions(opts Options) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opts, f.layout = opts, false
	for _, fam := range f.families {
		fam.ruled = false
	}
	for _, inc := range f.incarnations {
		clear(inc.labels)
	}
}

// Slot gives the number of a line, a new one where it is not known. NoSlot where the line is not to be counted: one
// of our own fedscrape_* series but for the hint, or a series over the limit.
func (f *Fold) Slot(id exposition.SeriesID) Slot {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(id.Family, "fedscrape_") && id.Family != hintFamily {
		return noSlot
	}
	f.makeRoom(id)
	return f.slot(id)
}

func (f *Fold) slot(id exposition.SeriesID) Slot {
	s := f.seriesOf(id)
	if s != nil {
		if slot := s.lineOf(id.Part, id.Bound); slot != noSlot {
			return slot
		}
	} else if s = f.countedSeries(id); s == nil {
		f.refused++
		return noSlot
	}
	slot := f.freeSlot()
	f.setLine(slot, s, id.Part, id.Bound)
	f.beginLife(slot)
	f.lines[slot].first = f.life
	f.layout = false
	return slot
}

// appendLine makes everything that is kept by slot one longer.
func (f *Fold) appendLine(l line) {
	if len(f.lines) == cap(f.lines) {
		f.growLines(max(64, len(f.lines)))
	}
	f.lines = append(f.lines, l)
	f.isBucket = append(f.isBucket, l.part == exposition.PartBucket)
	f.ledger = append(f.ledger, sum{})
	f.shown = append(f.shown, 0)
	f.known = append(f.known, false)
	f.folded = append(f.folded, false)
	f.mark = append(f.mark, 0)
	f.previous = append(f.previous, 0)
	f.previousMark = append(f.previousMark, 0)
}

// growLines makes room for n more lines. append alone would copy the nine of them three times as often.
func (f *Fold) growLines(n int) {
	f.lines, f.isBucket, f.ledger = slices.Grow(f.lines, n), slices.Grow(f.isBucket, n), slices.Grow(f.ledger, n)
	f.shown, f.known, f.folded = slices.Grow(f.shown, n), slices.Grow(f.known, n), slices.Grow(f.folded, n)
	f.mark, f.previous, f.previousMark = slices.Grow(f.mark, n), slices.Grow(f.previous, n), slices.Grow(f.previousMark, n)
}

// reserve makes room for the lines of a page that will have n, maxCommon at most: those of others are mostly the same.
func (f *Fold) reserve(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n = min(n, maxCommon); n > cap(f.lines) {
		f.growLines(n - len(f.lines))
	}
}

// setLine makes the slot a line of the series.
func (f *Fold) setLine(slot Slot, s *series, part exposition.Part, bound float64) {
	f.lines[slot] = line{variant: s.variant, series: s, part: part, bound: bound, made: f.compactions}
	f.isBucket[slot] = part == exposition.PartBucket
	s.set(part, bound, slot)
}

// Spec describes an incarnation that joins.
type Spec struct {
	Key      string
	WorkerID string
	// Born orders workers by age: the start time, or when it was first seen.
	Born time.Time
	// Base says that what the first snapshot shows was counted before, and only what comes after it counts.
	Base bool
}

// Add takes a new incarnation in, as present.
func (f *Fold) Add(spec Spec) *Incarnation {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	inc := &Incarnation{
		fold: f, Key: spec.Key, WorkerID: spec.WorkerID, born: spec.Born, seq: f.seq, base: spec.Base, present: true,
		ranks: map[Slot]rank{}, goodSum: map[Slot]float64{}, labels: map[Slot]exposition.Labels{},
	}
	f.incarnations = append(f.incarnations, inc)
	f.sortIncarnations()
	return inc
}

func (f *Fold) sortIncarnations() {
	slices.SortStableFunc(f.incarnations, func(a, b *Incarnation) int {
		if a.older(b) {
			return -1
		}
		return 1
	})
	f.held = false
}

// Incarnations gives all that are present or kept apart, the oldest first.
func (f *Fold) Incarnations() []*Incarnation {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.incarnations)
}

// SetBase changes Spec.Base of an incarnation that has not committed a page yet.
func (f *Fold) SetBase(inc *Incarnation, base bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	inc.base, inc.ahead = base, 0
}

// SetUp says whether the incarnation answered the last round: its live gauges count only then.
func (f *Fold) SetUp(inc *Incarnation, up bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if inc.up != up {
		inc.up, inc.ahead = up, 0
	}
}

// Rename gives the incarnation another worker ID.
func (f *Fold) Rename(inc *Incarnation, workerID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if inc.WorkerID != workerID {
		inc.WorkerID, inc.ahead = workerID, 0
		f.reshape()
		clear(inc.labels)
		if !inc.present {
			inc.moves += 2 // its record is to be written again
			f.changed()
		}
	}
}

// present gives the present incarnations, the oldest first.
func (f *Fold) present() []*Incarnation {
	list := make([]*Incarnation, 0, len(f.incarnations))
	for _, inc := range f.incarnations {
		if inc.present {
			list = append(list, inc)
		}
	}
	return list
}
