package ledger

import (
	"sync"
	"time"
)

// restBetween is how long the disk is left alone after a sync: who asks more often than that has his pages synced together.
// It bounds what a power cut can take.
const restBetween = 20 * time.Millisecond

// syncer calls sync for keys beside those who ask, at once after a rest: once for each, however often it was asked meanwhile.
type syncer struct {
	sync    func(key string)
	wake    chan struct{}
	closing chan struct{}
	done    chan struct{}

	mu      sync.Mutex
	waiting []string // keys, in the order of asking
	asked   map[string]bool
	closed  bool
}

func startSyncer(sync func(key string)) *syncer {
	s := &syncer{
		sync: sync, wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}), asked: map[string]bool{},
	}
	go s.run()
	return s
}

// ask has a key synced soon.
func (s *syncer) ask(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.asked[key] {
		return
	}
	s.asked[key] = true
	s.waiting = append(s.waiting, key)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// close syncs what waits, and ends.
func (s *syncer) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.closing)
	<-s.done
}

func (s *syncer) run() {
	defer close(s.done)
	for {
		select {
		case <-s.wake:
			s.syncAll()
		case <-s.closing:
			s.syncAll()
			return
		}
		select {
		case <-time.After(restBetween):
		case <-s.closing:
		}
	}
}

// syncAll syncs what waits now.
func (s *syncer) syncAll() {
	s.mu.Lock()
	keys := s.waiting
	s.waiting = nil
	clear(s.asked) // who asks from now on has written since
	s.mu.Unlock()
	for _, key := range keys {
		s.sync(key)
	}
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
	if st.loaded && st.newest != st.synced && st.seq[st.newest] > 0 {
		if err := p.syncNewest(key, st); err != nil {
			st.mu.Unlock()
			p.noteSync(err)
			return
		}
	}
	safe := st.loaded && st.synced >= 0 && !st.paged
	st.mu.Unlock()
	if safe {
		p.notePaged(key, st)
	}
}

// syncNewest is called with the lock held, which it gives back meanwhile: the disk may be slow. No write takes the slot.
func (p *pages) syncNewest(key string, st *pageState) error {
	slot, named := st.newest, st.named[st.newest]
	st.syncing = slot
	st.mu.Unlock()
	err := p.syncSlot(fileName(key, slot), named)
	st.mu.Lock()
	st.syncing = -1
	switch {
	case st.gone || !st.loaded: // forgotten meanwhile
		return nil
	case err != nil:
		return err
	}
	st.synced, st.named[slot] = slot, true
	p.noteSync(nil)
	step("page.synced")
	return nil
}

// syncSlot makes a file safe, and its name where it is new.
func (p *pages) syncSlot(name string, named bool) error {
	err := p.files.sync(name)
	if err == nil && !named {
		err = p.files.syncDir()
	}
	return err
}

// noteSync says once when syncing fails, and when it is well again.
func (p *pages) noteSync(err error) {
	switch {
	case err != nil && !p.unsafe.Swap(true):
		p.logger.Warn("Ledger's pages cannot be synced: a power cut now may take what they got last", "err", err)
	case err == nil && p.unsafe.Swap(false):
		p.logger.Info("Ledger's pages are synced again")
	}
}

// notePaged notes that from now on there is always a page that can be read.
func (p *pages) notePaged(key string, st *pageState) {
	p.noting.Lock()
	defer p.noting.Unlock()
	st.mu.Lock()
	gone := st.gone || !st.loaded
	st.mu.Unlock()
	if gone {
		return
	}
	if err := p.marks.set(key, paged); err != nil {
		p.noteSync(err)
		return
	}
	step("page.noted")
	st.mu.Lock()
	defer st.mu.Unlock()
	st.paged = true
}
