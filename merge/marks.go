package merge

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// marks are what both a page and the records have, each as of when it was made: the later one counts.

// appendMarks writes clocks and counters, which lines are known and what was shown of them, and what is kept by
// series and by family. Their size is before them, so that they can be left out.
func (f *Fold) appendMarks(dst []byte) []byte {
	size := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = f.appendTime(appendUint(appendUint(dst, f.life), f.seq), f.asOf)
	dst = f.appendLineMarks(appendUint(dst, len(f.lines)))
	if f.markedFor != f.shape || !f.layout || !f.held {
		f.findMarked()
	}
	dst = f.appendFamilyMarks(f.appendSeriesMarks(dst))
	if f.metaBytes == nil {
		f.metaBytes = f.appendMetas([]byte{})
	}
	dst = append(dst, f.metaBytes...)
	binary.LittleEndian.PutUint32(dst[size:], uint32(len(dst)-size-4))
	return dst
}

func (f *Fold) appendLineMarks(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, (len(f.lines)+7)/8)...)
	for slot, known := range f.known {
		if known {
			dst[at+slot/8] |= 1 << (slot % 8)
		}
	}
	return appendFloats(dst, f.shown)
}

// What is said of a series.
const (
	markHeld    = 1 << iota // when somebody had it last
	markStart               // decided
	markSeconds             // and there is one
	markLacks
	markLedger
	markPending
	markBare
	markEnd
)

func (f *Fold) appendSeriesMarks(dst []byte) []byte {
	for _, slot := range f.marked {
		s := f.lines[slot].series
		if kind := f.seriesMark(s); kind != 0 {
			dst = f.appendSeriesMark(append(appendUint(dst, int(slot)+1), kind), s, kind)
		}
	}
	return append(dst, 0)
}

// findMarked finds the first slots of series of which there may be something to say, and one of each family, as long as
// the shape stays.
func (f *Fold) findMarked() {
	f.marked, f.markedFor = f.marked[:0], f.shape
	for slot := range f.lines {
		s := f.lines[slot].series
		if s.first() == Slot(slot) && (f.seriesMark(s) != 0 || s.created != noSlot || !f.isHeld(s)) {
			f.marked = append(f.marked, Slot(slot))
		}
	}
	f.markedFamilies = f.markedFamilies[:0]
	for _, fam := range f.inOrder() {
		if slot := fam.anySlot(); slot != noSlot {
			f.markedFamilies = append(f.markedFamilies, markedFamily{fam, slot})
		}
	}
}

func (f *Fold) appendSeriesMark(dst []byte, s *series, kind byte) []byte {
	if kind&markHeld != 0 {
		dst = f.appendTime(dst, f.lastHeldOf(s))
	}
	if kind&markPending != 0 {
		dst = f.appendTime(dst, s.since)
	}
	if kind&markSeconds != 0 {
		dst = appendFloat(dst, s.start.seconds)
	}
	if kind&markLedger != 0 {
		dst = appendFloat(dst, s.start.ledger)
	}
	if kind&markBare != 0 {
		dst = f.appendBare(dst, s)
	}
	return dst
}

// seriesMark says what there is to say: of most series nothing. That a series without start times has none is found
// out again; one that present workers have is held.
func (f *Fold) seriesMark(s *series) (kind byte) {
	if !f.lastHeldOf(s).IsZero() && !f.isHeld(s) {
		kind |= markHeld
	}
	if s.start.decided && (s.created != noSlot || s.start.seconds != 0) {
		kind |= markStart
	}
	if s.start.seconds != 0 {
		kind |= markSeconds
	}
	if s.start.ledgerLacks {
		kind |= markLacks
	}
	if s.start.ledger != 0 {
		kind |= markLedger
	}
	if s.pending {
		kind |= markPending
	}
	if len(s.bare) > 0 {
		kind |= markBare
	}
	return kind
}

func (f *Fold) appendBare(dst []byte, s *series) []byte {
	dst = appendUint(dst, len(s.bare))
	for _, slot := range slices.Sorted(maps.Keys(s.bare)) {
		dst = f.appendTime(appendUint(dst, int(slot)), s.bare[slot])
	}
	return dst
}

func (f *Fold) readBare(r *reader, s *series) {
	s.bare = map[Slot]time.Time{}
	for range r.count(2) {
		slot := r.slot(len(f.lines))
		s.bare[slot] = r.time(f)
	}
}

// isHeld tells whether the next Render will find that a present worker has the series. It may not know.
func (f *Fold) isHeld(s *series) bool {
	return f.layout && f.held && s.variant.shown() && f.wasHeld(s)
}

func (f *Fold) readSeriesMarks(r *reader) {
	for {
		slot := r.below(len(f.lines) + 1)
		if slot == 0 {
			return
		}
		s, kind := f.lines[slot-1].series, r.below(markEnd)
		if kind&markHeld != 0 {
			s.lastHeld = r.time(f)
		}
		if s.pending = kind&markPending != 0; s.pending {
			s.since = r.time(f)
		}
		s.start.decided, s.start.ledgerLacks = kind&markStart != 0, kind&markLacks != 0
		if kind&markSeconds != 0 {
			s.start.seconds = r.float()
		}
		if kind&markLedger != 0 {
			s.start.ledger = r.float()
		}
		if kind&markBare != 0 {
			f.readBare(r, s)
		}
	}
}

// marks are read in two steps: the dictionary, which is read in between, says what the lines are.
type marks struct {
	life, seq uint64
	elapsed   int64
	lines     int
	rest      []byte // from the known lines on
}

func readMarks(r *reader) (m marks) {
	size := r.take(4)
	if size == nil {
		return m
	}
	own := &reader{b: r.take(int(binary.LittleEndian.Uint32(size)))}
	m.life, m.seq, m.elapsed, m.lines = own.uint(), own.uint(), own.int(), own.count(8)
	if m.rest = own.b; own.err != nil {
		r.fail()
	}
	return m
}

// readMarks takes what the marks say of the lines.
func (f *Fold) readMarks(m marks) error {
	r := &reader{b: m.rest}
	known := r.take((len(f.lines) + 7) / 8)
	shown := r.floats(len(f.lines))
	if r.err != nil {
		return r.err
	}
	for slot := range f.lines {
		if f.lines[slot].series != f.nobody {
			f.known[slot] = known[slot/8]&(1<<(slot%8)) != 0
			f.shown[slot] = shown[slot]
			f.lines[slot].series.pending = false
		}
	}
	f.readSeriesMarks(r)
	f.readFamilyMarks(r)
	f.readMetas(r)
	return r.end()
}

// appendState writes what only the records have: what folded incarnations left, and who is still there.
func (f *Fold) appendState(dst []byte) []byte {
	dst = append(dst, formatVersion)
	dst = appendUint(appendUint(dst, f.saves), f.forgotten)
	dst = f.appendMarks(dst)
	dst = appendUint(dst, len(f.incarnations))
	for _, inc := range f.incarnations {
		dst = appendBool(appendUint(dst, inc.seq), inc.present)
	}
	dst = f.appendLedger(dst)
	dst = f.appendRecent(dst)
	dst = f.appendExtremes(dst)
	dst = f.appendDepartedAll(dst)
	for _, name := range slices.Sorted(maps.Keys(f.hints)) {
		dst = append(dst, 1)
		dst = append(appendString(dst, name), byte(f.hints[name]))
	}
	return append(dst, 0)
}
