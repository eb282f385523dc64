package merge

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// formatVersion is the first byte of a page and of the state record.
const formatVersion = 2

// AppendHead appends the head of what a page needs to be shown again: what it counted, and what no durable record has yet.
// What Say gives follows it. Both, Say as the end of what SayAhead began, are called after the Render that is to be kept, with no
// Commit in between. What a Save gave after Say is durable before the page, or there is no such page.
func (f *Fold) AppendHead(dst []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first != nil && f.first.change == f.change {
		return f.appendHead(dst, f.first.number, nil, f.appendEntries(nil, f.linesAfter(f.first.life)))
	}
	if f.unsaved() {
		carried := f.save()
		return f.appendHead(dst, f.saved, carried, nil)
	}
	return f.appendHead(dst, f.saved, nil, f.tailBytes())
}

// appendHead writes the head of a page that needs the records of a Save, and carries another one, or else the new lines.
func (f *Fold) appendHead(dst []byte, needs uint64, carried *Save, tail []byte) []byte {
	dst = append(dst, formatVersion)
	dst = appendUint(appendUint(dst, f.saves), needs)
	if dst = appendBool(dst, carried != nil); carried != nil {
		dst = appendCarried(dst, carried)
	} else {
		dst = appendBytes(dst, tail)
	}
	return f.appendMarks(dst)
}

// saidBytes is how much text say makes, mostly: a first page would be copied again and again while it grows.
func (f *Fold) saidBytes() (n int) {
	for _, inc := range f.incarnations {
		if inc.present {
			n += inc.saidBytes(manyNumbers)
		}
	}
	return n
}

// saidBytes is how much text sayOf makes, mostly, where so many numbers are not copied.
func (inc *Incarnation) saidBytes(many int) int {
	encoded := len(inc.encoded)
	if inc.encoded == nil {
		encoded = 2 * len(inc.slots)
	}
	n := 128 + len(inc.Key) + len(inc.WorkerID) + encoded + 2*len(inc.offset.slots)
	for _, values := range [][]float64{inc.last, inc.offset.highs} {
		if len(values) < many {
			n += 8 * len(values)
		}
	}
	return n
}

func appendCarried(dst []byte, s *Save) []byte {
	size := 0
	for key, record := range s.Put {
		size += len(key) + len(record) + 16
	}
	dst = slices.Grow(dst, size)
	dst = appendUint(dst, len(s.Put))
	for _, key := range slices.Sorted(maps.Keys(s.Put)) {
		dst = appendBytes(appendString(dst, key), s.Put[key])
	}
	dst = appendUint(dst, len(s.Delete))
	for _, key := range s.Delete {
		dst = appendString(dst, key)
	}
	return dst
}

// readCarried gives the records with what the page carries.
func readCarried(r *reader, records map[string][]byte) map[string][]byte {
	out := maps.Clone(records)
	if out == nil {
		out = map[string][]byte{}
	}
	for range r.count(2) {
		key := r.string()
		out[key] = r.bytes()
	}
	for range r.count(1) {
		delete(out, r.string())
	}
	return out
}

// sayOf writes one whole. All but the numbers is the same from page to page, mostly, and kept encoded.
func (f *Fold) sayOf(inc *Incarnation, said *Said) {
	said.text = appendIdentity(said.text, inc)
	if inc.encoded == nil {
		inc.encoded = appendUntyped(appendSlots(make([]byte, 0, 2*len(inc.slots)+8), inc.slots), inc.untyped)
	}
	said.text = append(said.text, inc.encoded...)
	said.add(inc.last, &inc.lease)
	inc.offset.say(said)
	said.text = inc.appendGauges(said.text)
}

func appendIdentity(dst []byte, inc *Incarnation) []byte {
	dst = appendUint(appendUint(dst, inc.seq), inc.moves)
	dst = appendString(appendString(dst, inc.Key), inc.WorkerID)
	dst = binary.AppendVarint(dst, inc.born.Unix())
	dst = appendUint(dst, inc.born.Nanosecond())
	return appendBool(appendBool(appendBool(dst, inc.base), inc.committed), inc.up)
}

func appendUntyped(dst []byte, untyped map[Slot]Slot) []byte {
	dst = appendUint(dst, len(untyped))
	for _, slot := range slices.Sorted(maps.Keys(untyped)) {
		dst = appendUint(appendUint(dst, int(slot)), int(untyped[slot]))
	}
	return dst
}

// appendGauges writes what few lines have.
func (inc *Incarnation) appendGauges(dst []byte) []byte {
	dst = appendUint(dst, len(inc.stamps))
	for slot, ms := range inc.stamps {
		dst = appendUint(appendUint(dst, int(slot)), uint64(ms))
	}
	dst = appendUint(dst, len(inc.ranks))
	for slot, rank := range inc.ranks {
		dst = appendRank(appendUint(dst, int(slot)), rank)
	}
	dst = appendUint(dst, len(inc.goodSum))
	for slot, v := range inc.goodSum {
		dst = appendFloat(appendUint(dst, int(slot)), v)
	}
	return dst
}

// readSaid reads what Say wrote when that life was the last.
func (f *Fold) readSaid(r *reader, life uint64) (list []*Incarnation) {
	for r.bool() {
		list = append(list, f.readIncarnation(r, life))
	}
	for at := r.below(len(list) + 1); at > 0; at = r.below(len(list) + 1) {
		list[at-1] = nil // it was said anew, or is gone
	}
	return slices.DeleteFunc(list, func(inc *Incarnation) bool { return inc == nil })
}

// readIncarnation reads what sayOf wrote when that life was the last.
func (f *Fold) readIncarnation(r *reader, life uint64) *Incarnation {
	inc := &Incarnation{
		fold: f, seq: r.uint(), moves: r.uint(), Key: r.string(), WorkerID: r.string(), present: true,
		ranks: map[Slot]rank{}, goodSum: map[Slot]float64{}, labels: map[Slot]exposition.Labels{},
	}
	inc.born = time.Unix(r.int(), int64(r.below(1e9)))
	inc.base, inc.committed, inc.up = r.bool(), r.bool(), r.bool()
	n := len(f.lines)
	slots := r.slots(n)
	for range r.count(2) {
		if slot, raw := r.slot(n), r.slot(n); f.same(slot, life) && f.lines[raw].first <= life {
			inc.setUntyped(slot, raw)
		}
	}
	values := r.floats(len(slots))
	inc.slots, inc.last = make([]Slot, 0, len(values)), make([]float64, 0, len(values))
	for i, v := range values {
		if f.same(slots[i], life) {
			inc.slots, inc.last = append(inc.slots, slots[i]), append(inc.last, v)
		}
	}
	offsets, sums := r.sums(n)
	for i, slot := range offsets {
		if f.same(slot, life) {
			inc.offset.addSum(slot, sums[i])
		}
	}
	f.readGauges(r, inc, life)
	f.learn(inc)
	return inc
}

func (f *Fold) readGauges(r *reader, inc *Incarnation, life uint64) {
	n := len(f.lines)
	for range r.count(2) {
		if slot, ms := r.slot(n), int64(r.uint()); f.same(slot, life) {
			if inc.stamps == nil {
				inc.stamps = map[Slot]int64{}
			}
			inc.stamps[slot] = ms
		}
	}
	for range r.count(4) {
		if slot, rank := r.slot(n), r.rank(); f.same(slot, life) {
			inc.ranks[slot] = rank
		}
	}
	for range r.count(9) {
		if slot, v := r.slot(n), r.float(); f.same(slot, life) {
			inc.goodSum[slot] = v
		}
	}
}

// learn finds out what follows from an incarnation's lines.
func (f *Fold) learn(inc *Incarnation) {
	inc.variants = map[*variant]struct{}{}
	for _, slot := range inc.slots {
		f.lines[slot].series.pending = false
		if raw, ok := inc.untyped[slot]; ok {
			slot = raw
			f.lines[slot].series.pending = false
		}
		inc.variants[f.lines[slot].variant] = struct{}{}
	}
	inc.hints = f.hintsOf(inc.slots, inc.last)
}

// appendRecord writes a departed incarnation, or of one that has returned what it would be if it had not.
func (f *Fold) appendRecord(dst []byte, inc *Incarnation) []byte {
	dst = appendUint(dst, f.life)
	dst = appendUint(dst, inc.departures())
	dst = f.appendTime(dst, inc.departedAt)
	said := Said{text: dst, copies: true}
	f.sayOf(inc, &said)
	return said.text
}

func (f *Fold) readRecord(b []byte) (*Incarnation, error) {
	r := &reader{b: b}
	life, departures, at := r.uint(), r.uint(), r.time(f)
	inc := f.readIncarnation(r, life)
	inc.present, inc.up, inc.departedAt = false, false, at
	inc.moves, inc.recorded = departures, departures
	return inc, r.end()
}
