package merge

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Restore makes a fold again of the records that its Saves left, and of the newest page that is whole; nil where no
// page was ever kept. Time went on only while a fold was there. Present incarnations are up where the page had them
// so. An error means damage: nothing of it may be used.
func Restore(opts Options, records map[string][]byte, page []byte, now time.Time) (*Fold, error) {
	f := New(opts)
	f.see(now)
	if page == nil && len(records) == 0 {
		return f, nil
	}
	s, err := readSaved(records, page)
	if err != nil {
		return nil, err
	}
	if err := s.restore(f, now); err != nil {
		return nil, err
	}
	f.sortIncarnations()
	return f, nil
}

// saved is what there is to restore from.
type saved struct {
	records map[string][]byte // with what the page carries
	kept    map[string][]byte // without
	state   *state
	before  *state // without what the page carries
	page    *savedPage
	newer   bool   // the page is as new as the records, or newer
	tail    []byte // lines that the page carries
	entries map[string]int
}

// state is the state record, read as far as it goes without knowing the lines.
type state struct {
	number, forgotten uint64
	marks
	left []byte // what comes after
}

// savedPage is a page, likewise.
type savedPage struct {
	saves, saved uint64
	marks
	incarnations []byte
}

func readState(records map[string][]byte) (*state, error) {
	b, has := records[stateKey]
	if !has {
		return nil, nil
	}
	r := &reader{b: b}
	if version := r.below(256); version != formatVersion && r.err == nil {
		return nil, fmt.Errorf("read state of version %d: this program knows %d", version, formatVersion)
	}
	s := &state{number: r.uint(), forgotten: r.uint(), marks: readMarks(r)}
	s.left = r.b
	return s, r.err
}

func readSaved(records map[string][]byte, page []byte) (*saved, error) {
	s := &saved{records: records, kept: records, entries: map[string]int{}}
	var err error
	if s.before, err = readState(records); err != nil {
		return nil, err
	}
	s.state = s.before
	if page == nil {
		if s.state == nil {
			return nil, errDamaged
		}
		return s, nil
	}
	return s, s.readPage(page)
}

// readPage reads a page's head. Where it is as new as the records, what it carries comes on top of them.
func (s *saved) readPage(b []byte) error {
	r := &reader{b: b}
	if version := r.below(256); version != formatVersion && r.err == nil {
		return fmt.Errorf("read page of version %d: this program knows %d", version, formatVersion)
	}
	s.page = &savedPage{saves: r.uint(), saved: r.uint()}
	carries := r.bool()
	records, tail := s.records, []byte(nil)
	if carries {
		records = readCarried(r, records)
	} else {
		tail = r.bytes()
	}
	s.page.marks = readMarks(r)
	s.page.incarnations = r.b
	if r.err != nil {
		return r.err
	}
	number := uint64(0)
	if s.before != nil {
		number = s.before.number
	}
	if number < s.page.saved {
		return fmt.Errorf("the page needs records of save %d, and there are those of %d: %w", s.page.saved, number, errDamaged)
	}
	if s.newer = number <= s.page.saves; !s.newer {
		return nil
	}
	s.records, s.tail = records, tail
	var err error
	s.state, err = readState(records)
	return err
}

// marks gives those that were made last.
func (s *saved) marks() marks {
	if s.newer {
		return s.page.marks
	}
	return s.state.marks
}

func (s *saved) restore(f *Fold, now time.Time) error {
	last := s.marks()
	f.epoch = now.Add(-time.Duration(last.elapsed))
	if err := s.restoreLines(f, last); err != nil {
		return err
	}
	if err := f.readMarks(last); err != nil {
		return err
	}
	there := map[uint64]bool{}
	if s.state != nil {
		r := &reader{b: s.state.left}
		there = f.readState(r, s.state.life)
		if err := r.end(); err != nil {
			return err
		}
	}
	if err := s.restoreIncarnations(f, there); err != nil {
		return err
	}
	s.restoreCounters(f, last)
	return nil
}

func (s *saved) restoreLines(f *Fold, last marks) error {
	d := dictionary{}
	for key, b := range s.records {
		if strings.HasPrefix(key, linesPrefix) {
			n, err := d.read(b, last.lines)
			if err != nil {
				return fmt.Errorf("read %s: %w", key, err)
			}
			s.entries[key] = n
		}
	}
	if _, err := d.read(s.tail, last.lines); err != nil {
		return err
	}
	return f.makeLines(d, last.lines)
}

// readState reads what comes after the marks, and gives who was there; true: present.
func (f *Fold) readState(r *reader, life uint64) map[uint64]bool {
	there := map[uint64]bool{}
	for range r.count(2) {
		uid := r.uint()
		there[uid] = r.bool()
	}
	f.readLedger(r, life)
	f.readRecent(r, life)
	f.readExtremes(r, life)
	f.readDepartedAll(r, life)
	f.readHints(r)
	return there
}

// restoreIncarnations takes the departed ones of the records, and the present ones of the page. Of one that is in
// both, the one that moved last counts.
func (s *saved) restoreIncarnations(f *Fold, there map[uint64]bool) error {
	byUID := map[uint64]*Incarnation{}
	for uid := range there {
		key := departedPrefix + strconv.FormatUint(uid, 10)
		b, has := s.records[key]
		if !has {
			continue
		}
		inc, err := f.readRecord(b)
		if err != nil || inc.seq != uid {
			return fmt.Errorf("read %s: %w", key, errDamaged)
		}
		if !bytes.Equal(b, s.kept[key]) { // the page carries it
			inc.recorded = 0
		}
		byUID[uid] = inc
	}
	if s.page != nil {
		if err := s.restorePresent(f, there, byUID); err != nil {
			return err
		}
	}
	f.incarnations = slices.Collect(maps.Values(byUID))
	return nil
}

func (s *saved) restorePresent(f *Fold, there map[uint64]bool, byUID map[uint64]*Incarnation) error {
	r := &reader{b: s.page.incarnations}
	for _, inc := range f.readSaid(r, s.page.life) {
		departed := byUID[inc.seq]
		switch _, is := there[inc.seq]; {
		case s.state != nil && !is && inc.seq <= s.state.seq: // folded since
		case departed != nil && departed.moves >= inc.moves: // departed since
		default:
			if departed != nil {
				inc.recorded, inc.departedAt = departed.recorded, departed.departedAt
			}
			s.forget(inc)
			byUID[inc.seq] = inc
		}
	}
	return r.end()
}

// forget lets all go of an incarnation whose page is from before all was forgotten on purpose.
func (s *saved) forget(inc *Incarnation) {
	if s.state != nil && s.page.life < s.state.forgotten {
		inc.base, inc.committed = true, false
		inc.setLines(nil)
		inc.last, inc.offset, inc.variants, inc.hints = nil, sums{}, nil, nil
	}
}

// restoreCounters goes on where they were. Numbers that may have been given since, but are not saved, are skipped.
func (s *saved) restoreCounters(f *Fold, last marks) {
	const skip = 1 << 20
	f.life, f.seq = last.life+skip, last.seq+skip
	if s.page != nil {
		f.saves = s.page.saves
	}
	known := uint64(0)
	if s.before != nil {
		f.saved, known = s.before.number, s.before.life
		f.saves = max(f.saves, s.before.number)
	}
	if s.state != nil {
		f.saves, f.forgotten = max(f.saves, s.state.number), s.state.forgotten
	}
	for slot := range f.lines {
		if f.lines[slot].life > known {
			f.unsavedLines = append(f.unsavedLines, Slot(slot))
		}
	}
	f.stored = map[string]struct{}{}
	for _, key := range slices.Sorted(maps.Keys(s.kept)) {
		f.stored[key] = struct{}{}
		if strings.HasPrefix(key, linesPrefix) {
			f.chunks = append(f.chunks, chunk{key, s.entries[key]})
			if n, err := strconv.ParseUint(strings.TrimPrefix(key, linesPrefix), 10, 64); err == nil {
				f.nextChunk = max(f.nextChunk, n)
			}
		}
	}
	f.changed() // the next Save tidies up
}
