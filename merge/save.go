package merge

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

// Save is what changes in the records of a fold. All of it must become durable at once, or nothing.
type Save struct {
	Put    map[string][]byte
	Delete []string

	number, change, life uint64
	records              map[*Incarnation]uint64 // the departure that is put
	chunks               []chunk
}

// Save gives the records to put and to delete.
func (f *Fold) Save(now time.Time) *Save {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.see(now)
	s := f.save()
	f.first = &Save{number: s.number, change: s.change, life: s.life}
	return s
}

func (f *Fold) save() *Save {
	f.saves++
	s := &Save{
		Put: map[string][]byte{}, number: f.saves, change: f.change, life: f.life, records: map[*Incarnation]uint64{}, chunks: f.chunks,
	}
	f.saveLines(s)
	wanted := map[string]bool{stateKey: true}
	for _, c := range s.chunks {
		wanted[c.key] = true
	}
	for _, inc := range f.incarnations {
		if inc.departures() == 0 {
			continue
		}
		wanted[inc.departedKey()] = true
		if inc.recorded < inc.departures() {
			s.records[inc] = inc.departures()
			s.Put[inc.departedKey()] = f.appendRecord(make([]byte, 0, 32+inc.saidBytes(math.MaxInt)), inc)
		}
	}
	s.Put[stateKey] = f.appendState(nil)
	f.storing(s, wanted)
	return s
}

// Unrecorded is how many bytes the numbers of departed incarnations have that no durable record has.
func (f *Fold) Unrecorded() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, inc := range f.incarnations {
		if inc.recorded < inc.departures() {
			n += 8 * len(inc.last)
		}
	}
	return n
}

// departures is the number of the incarnation's last departure among its moves; 0: it never departed.
func (inc *Incarnation) departures() uint64 {
	if inc.present && inc.moves > 0 {
		return inc.moves - 1
	}
	return inc.moves
}

// storing notes which records may be there from now on, and finds those that should not be: also those of a Save
// that may have become durable although nobody could say so.
func (f *Fold) storing(s *Save, wanted map[string]bool) {
	for _, key := range slices.Sorted(maps.Keys(f.stored)) {
		if !wanted[key] {
			s.Delete = append(s.Delete, key)
		}
	}
	if f.stored == nil {
		f.stored = map[string]struct{}{}
	}
	for key := range s.Put {
		f.stored[key] = struct{}{}
	}
}

// The dictionary is written anew where more than half of it is outdated, or it is in too many pieces.
const (
	maxChunks    = 64
	maxChunkSize = 4 << 20
)

func (f *Fold) saveLines(s *Save) {
	if len(f.unsavedLines) == 0 {
		return
	}
	entries := len(f.unsavedLines)
	for _, c := range f.chunks {
		entries += c.entries
	}
	if len(f.chunks) < maxChunks && entries <= 2*f.inUse()+1024 {
		f.putChunk(s, f.tailBytes(), len(f.unsavedLines))
		return
	}
	s.chunks = nil
	var all []Slot
	for slot := range f.lines {
		if f.lines[slot].series != f.nobody {
			all = append(all, Slot(slot))
		}
	}
	for part := range slices.Chunk(all, maxChunkSize/256) {
		f.putChunk(s, f.appendEntries(nil, part), len(part))
	}
}

func (f *Fold) putChunk(s *Save, b []byte, entries int) {
	f.nextChunk++
	key := linesPrefix + strconv.FormatUint(f.nextChunk, 10)
	s.Put[key] = b
	s.chunks = append(slices.Clip(s.chunks), chunk{key, entries})
}

// Saved says that they are durable. Without it the next Save gives them again.
func (f *Fold) Saved(s *Save) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.saved, f.savedChange, f.chunks = s.number, s.change, s.chunks
	for inc, departure := range s.records {
		inc.recorded = departure
	}
	for _, key := range s.Delete {
		delete(f.stored, key)
	}
	f.unsavedLines, f.tail = f.linesAfter(s.life), nil
}

// linesAfter gives the unsaved lines of a later life.
func (f *Fold) linesAfter(life uint64) (later []Slot) {
	for _, slot := range f.unsavedLines {
		if f.lines[slot].life > life {
			later = append(later, slot)
		}
	}
	return later
}
