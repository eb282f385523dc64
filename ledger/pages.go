package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// slotCount is how many versions of a page there are. A write takes one that is neither the newest written, which
// kill -9 must leave, nor the newest synced, which a power cut must leave, nor the one that is being synced: the disk
// would have the write wait. It may be the one of a write that has begun, and has then to be given up.
const slotCount = 4

// pages are the newest versions of each key's page. Locks are taken in this order: noting, a state's, mu.
type pages struct {
	files    files
	marks    marks
	logger   *slog.Logger
	syncer   *syncer       // nil: the test syncs
	appended atomic.Uint64 // how many batches the records have
	bytes    atomic.Int64  // of all files
	unsafe   atomic.Bool   // the last sync failed

	noting sync.Mutex // held while a mark is set; never by a write
	mu     sync.Mutex
	byKey  map[string]*pageState
}

// pageState is what is known of a key's slots. Its lock is held during a write.
type pageState struct {
	mu      sync.Mutex
	loaded  bool
	gone    bool              // forgotten: there is another one now
	seq     [slotCount]uint64 // 0: nothing valid
	length  [slotCount]int64  // of the files
	named   [slotCount]bool   // the file's name is safe from a power cut
	last    uint64            // the last number that a write took; none is taken twice, though a write failed
	newest  int
	synced  int        // -1: none
	syncing int        // -1: none
	ahead   *pageWrite // that is to be finished; nil: none
	paged   bool
}

// openPages makes what is there safe first: it may be of a process that did not live to do so.
func openPages(dir string, marks dbMarks, appended uint64, logger *slog.Logger) (*pages, error) {
	files := dirFiles(dir)
	err := os.MkdirAll(dir, 0o750)
	if err == nil {
		err = files.syncDir()
	}
	if err != nil {
		return nil, fmt.Errorf("open the ledger's pages: %w", err)
	}
	p := newPages(files, marks, logger)
	p.appended.Store(appended)
	p.bytes.Store(files.size())
	for _, key := range marks.keys(forgotten) {
		if err := p.forget(key); err != nil {
			return nil, fmt.Errorf("remove a page of the ledger: %w", err)
		}
	}
	p.syncer = startSyncer(p.sync)
	return p, nil
}

func newPages(files files, marks marks, logger *slog.Logger) *pages {
	return &pages{files: files, marks: marks, logger: logger, byKey: map[string]*pageState{}}
}

func (p *pages) close() { p.syncer.close() }

func fileName(key string, slot int) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:12]) + "." + strconv.Itoa(slot)
}

// hold gives a key's state, locked.
func (p *pages) hold(key string) *pageState {
	for {
		p.mu.Lock()
		st := p.byKey[key]
		if st == nil {
			st = &pageState{synced: -1, syncing: -1}
			p.byKey[key] = st
		}
		p.mu.Unlock()
		st.mu.Lock()
		if !st.gone {
			return st
		}
		st.mu.Unlock()
	}
}

// load reads a key's files the first time, and makes its newest page safe: from here on it counts as synced.
func (p *pages) load(key string, st *pageState) error {
	if st.loaded {
		return nil
	}
	if m := p.marks.get(key); m == forgotten {
		if err := p.remove(key, st); err != nil {
			return err
		}
	} else {
		st.paged = m == paged
	}
	list, err := p.read(key, st)
	if err != nil {
		return err
	}
	for slot, length := range st.length {
		st.named[slot] = length > 0
	}
	if len(list) > 0 {
		st.newest, st.last = list[0].slot, list[0].seq
		if err := p.files.sync(fileName(key, st.newest)); err != nil {
			return err
		}
		st.synced = st.newest
	}
	st.loaded = true
	return nil
}

// read gives the valid versions, the newest first.
func (p *pages) read(key string, st *pageState) ([]version, error) {
	var list []version
	for slot := range slotCount {
		name := fileName(key, slot)
		data, err := p.files.read(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		st.length[slot] = int64(len(data))
		if unfinished(data) {
			continue
		}
		v, err := decodePage(key, data)
		if err != nil {
			p.logger.Warn("Ledger has a page that is damaged; the newest of the others counts", "file", name, "err", err)
			continue
		}
		st.seq[slot], v.slot = v.seq, slot
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b version) int { return cmp.Compare(b.seq, a.seq) })
	return list, nil
}

// pageWrite is a page of which only the last part is written.
type pageWrite struct {
	pageFile
	slot int
	seq  uint64
}

// write writes a page whose parts are all known.
func (p *pages) write(key string, page [][]byte) error {
	st := p.hold(key)
	defer st.mu.Unlock()
	w, err := p.begin(key, st, page)
	if err != nil {
		return err
	}
	return p.end(st, w, nil)
}

// writeAhead writes the last part of a page.
func (p *pages) writeAhead(key string, last [][]byte) (*pageWrite, error) {
	st := p.hold(key)
	defer st.mu.Unlock()
	w, err := p.begin(key, st, last)
	st.ahead = w
	return w, err
}

// append adds to the last part of a page. Where it is not taken, somebody else has written the key's page since, or forgotten it.
func (p *pages) append(w *pageWrite, last [][]byte) (taken bool, err error) {
	st := p.hold(w.key)
	defer st.mu.Unlock()
	if st.ahead != w {
		return false, nil
	}
	err = w.append(last)
	p.resize(st, w.slot, max(w.at, st.length[w.slot]))
	step("page.ahead")
	return true, err
}

// finish writes the first part: from then on there is the page. It is taken as append does.
func (p *pages) finish(w *pageWrite, first [][]byte) (taken bool, err error) {
	st := p.hold(w.key)
	defer st.mu.Unlock()
	if st.ahead != w {
		return false, nil
	}
	return true, p.end(st, w, first)
}

// begin is called with the lock held, and end likewise.
func (p *pages) begin(key string, st *pageState, last [][]byte) (*pageWrite, error) {
	if err := p.load(key, st); err != nil {
		return nil, err
	}
	st.last++
	st.ahead = nil // it may have had this slot
	w := &pageWrite{pageFile: pageFile{key: key}, slot: st.free(), seq: st.last}
	st.seq[w.slot] = 0 // until it is whole
	var err error
	if w.file, err = p.files.open(fileName(key, w.slot)); err != nil {
		return nil, err
	}
	step("page.begin")
	err = w.begin(last)
	p.resize(st, w.slot, max(w.at, st.length[w.slot]))
	if err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	step("page.ahead")
	return w, nil
}

func (p *pages) end(st *pageState, w *pageWrite, first [][]byte) error {
	st.ahead = nil
	err := w.end(version{seq: w.seq, appended: p.appended.Load()}, first)
	p.resize(st, w.slot, max(w.at, st.length[w.slot]))
	if err == nil {
		err = p.cut(st, w)
	}
	if err = errors.Join(err, w.file.Close()); err != nil {
		return err
	}
	step("page.done")
	st.seq[w.slot], st.newest = w.seq, w.slot
	if p.syncer != nil {
		p.syncer.ask(w.key)
	}
	return nil
}

func (p *pages) resize(st *pageState, slot int, length int64) {
	p.bytes.Add(length - st.length[slot])
	st.length[slot] = length
}

// cut ends the file where the page does, if the old one was much longer: a page that shrank would cost its disk for ever.
func (p *pages) cut(st *pageState, w *pageWrite) error {
	if st.length[w.slot] <= 2*w.at+4096 {
		return nil
	}
	err := w.file.Truncate(w.at)
	if err == nil {
		p.resize(st, w.slot, w.at)
	}
	return err
}

// free gives the slot that may be lost.
func (st *pageState) free() int {
	for slot := range slotCount {
		if slot != st.synced && slot != st.syncing && (slot != st.newest || st.seq[slot] == 0) {
			return slot
		}
	}
	return 0 // not reached: there are four
}

// list gives what can be read of a key, the newest first.
func (p *pages) list(key string) ([]version, error) {
	st := p.hold(key)
	defer st.mu.Unlock()
	if err := p.load(key, st); err != nil {
		return nil, err
	}
	list, err := p.read(key, st)
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0 && st.paged:
		return nil, fmt.Errorf("%w: no page of %q can be read", ErrDamaged, key)
	case len(list) == 0:
		return nil, ErrNoPage
	case list[0].appended > p.appended.Load():
		return nil, fmt.Errorf("%w: the records are older than the page of %q", ErrDamaged, key)
	}
	return list, nil
}

// forget removes a key's files. The mark comes first: one of them alone would be an older page.
func (p *pages) forget(key string) error {
	p.noting.Lock()
	defer p.noting.Unlock()
	st := p.hold(key)
	defer st.mu.Unlock()
	if err := p.marks.set(key, forgotten); err != nil {
		return err
	}
	step("page.forgotten")
	st.loaded = false // where an error comes the next use ends it
	if err := p.remove(key, st); err != nil {
		return err
	}
	st.gone = true
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byKey, key)
	return nil
}

// remove removes the files of a key that is marked as forgotten, and then the mark.
func (p *pages) remove(key string, st *pageState) error {
	for slot := range slotCount {
		size, err := p.files.remove(fileName(key, slot))
		if err != nil {
			return err
		}
		p.bytes.Add(-size)
		step("page.removed")
		st.seq[slot], st.length[slot], st.named[slot] = 0, 0, false
	}
	if err := p.files.syncDir(); err != nil {
		return err
	}
	st.last, st.newest, st.synced, st.paged, st.ahead = 0, 0, -1, false, nil
	return p.marks.set(key, unmarked)
}
