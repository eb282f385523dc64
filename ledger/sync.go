package ledger

import (
	"errors"
	"os"
	"sync"
)

// syncer syncs pages beside their writers: the newest of a key, however often it was written meanwhile.
type syncer struct {
	pages *pages
	wake  chan struct{}
	done  chan struct{}

	mu      sync.Mutex
	waiting []string // keys, in the order of asking
	asked   map[string]bool
	closed  bool
}

func startSyncer(p *pages) *syncer {
	s := &syncer{pages: p, wake: make(chan struct{}, 1), done: make(chan struct{}), asked: map[string]bool{}}
	go s.run()
	return s
}

// ask has a key's newest page synced soon.
func (s *syncer) ask(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.asked[key] {
		return
	}
	s.asked[key] = true
	s.waiting = append(s.waiting, key)
	s.signal()
}

func (s *syncer) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// close syncs what waits, and ends.
func (s *syncer) close() {
	s.mu.Lock()
	s.closed = true
	s.signal()
	s.mu.Unlock()
	<-s.done
}

func (s *syncer) run() {
	defer close(s.done)
	for {
		key, closed := s.next()
		switch {
		case key != "":
			s.pages.sync(key)
		case closed:
			return
		default:
			<-s.wake
		}
	}
}

func (s *syncer) next() (key string, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return "", s.closed
	}
	key, s.waiting = s.waiting[0], s.waiting[1:]
	delete(s.asked, key)
	return key, s.closed
}

// sync makes a key's newest page safe from a power cut. An error leaves the one that is: the next write asks again.
func (p *pages) sync(key string) {
	p.mu.Lock()
	st := p.byKey[key]
	p.mu.Unlock()
	if st == nil {
		return // forgotten meanwhile
	}
	st.mu.Lock()
	slot, seq, first := st.newest, st.seq[st.newest], !st.paged
	st.mu.Unlock()
	if err := syncFile(p.path(key, slot)); err != nil {
		if !errors.Is(err, os.ErrNotExist) { // forgotten meanwhile
			p.logger.Warn("Ledger's page cannot be synced: a power cut now takes it", "err", err)
		}
		return
	}
	step("page.synced")
	st.mu.Lock()
	same := st.seq[slot] == seq // else it was written anew meanwhile
	if same {
		st.synced = slot
	}
	st.mu.Unlock()
	if first && same {
		p.notePaged(key)
	}
}

// notePaged notes that from now on there is always a page that can be read.
func (p *pages) notePaged(key string) {
	err := syncFile(p.dir)
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.byKey[key]
	if err != nil || st == nil {
		return
	}
	if err := setPaged(p.db, key, true); err != nil {
		p.logger.Warn("Ledger cannot be written", "err", err)
		return
	}
	step("page.noted")
	st.mu.Lock()
	st.paged = true
	st.mu.Unlock()
}

func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return file.Sync()
}
