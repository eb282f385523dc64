package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
)

const (
	blockSize      = 512 // a sector: the least that a disk writes whole
	powerSchedules = 2000
)

// disk is a disk whose power can be cut. Of what was not synced, each block is as it was at some time since: which one
// is a matter of chance, and so it is with the length of a file, and with whether a name is there.
type disk struct {
	random *rand.Rand
	files  map[string]*diskFile
	marked map[string]mark
	// during is called while a sync is under way: other writes go on.
	during func()
	full   bool // a write ends somewhere
	lost   int  // blocks that were not what was written last
}

type diskFile struct {
	now     []byte
	lengths []int            // that it had since the last sync, the synced one first
	blocks  map[int][][]byte // what each block was since the last sync, the synced one first
	named   bool             // the name is safe
}

func newDisk(random *rand.Rand) *disk {
	return &disk{random: random, files: map[string]*diskFile{}, marked: map[string]mark{}, during: func() {}}
}

func (d *disk) get(key string) mark { return d.marked[key] }

func (d *disk) set(key string, m mark) error {
	d.marked[key] = m
	return nil
}

// open gives a file that remembers each write.
func (d *disk) open(name string) (file, error) {
	if d.files[name] == nil {
		d.files[name] = &diskFile{lengths: []int{0}, blocks: map[int][][]byte{}}
	}
	return &openFile{d, d.files[name]}, nil
}

type openFile struct {
	disk *disk
	*diskFile
}

func (f *openFile) Close() error { return nil }

func (f *openFile) writeAt(at int64, parts ...[]byte) (n int, err error) {
	data := slices.Concat(parts...)
	if f.disk.full {
		data, err = data[:f.disk.random.IntN(len(data)+1)], os.ErrPermission
	}
	now := slices.Clone(f.now)
	if end := int(at) + len(data); len(now) < end {
		now = append(now, make([]byte, end-len(now))...)
	}
	copy(now[at:], data)
	f.become(now)
	return len(data), err
}

func (f *openFile) Truncate(size int64) error {
	f.become(slices.Clone(f.now[:size]))
	return nil
}

// become remembers what the blocks and the length were.
func (f *diskFile) become(now []byte) {
	for i := 0; i*blockSize < max(len(now), len(f.now)); i++ {
		if len(f.blocks[i]) == 0 {
			f.blocks[i] = [][]byte{block(f.now, i)}
		}
		f.blocks[i] = append(f.blocks[i], block(now, i))
	}
	f.now = now
	f.lengths = append(f.lengths, len(now))
}

// block gives the ith block, filled up with zeros.
func block(data []byte, i int) []byte {
	b := make([]byte, blockSize)
	if i*blockSize < len(data) {
		copy(b, data[i*blockSize:])
	}
	return b
}

func (d *disk) read(name string) ([]byte, error) {
	if file := d.files[name]; file != nil {
		return slices.Clone(file.now), nil
	}
	return nil, os.ErrNotExist
}

// sync makes safe what was there when it began.
func (d *disk) sync(name string) error {
	file := d.files[name]
	if file == nil {
		return os.ErrNotExist
	}
	lengths := len(file.lengths)
	blocks := map[int]int{}
	for i, list := range file.blocks {
		blocks[i] = len(list)
	}
	d.during()
	file.lengths = file.lengths[lengths-1:]
	for i, n := range blocks {
		file.blocks[i] = file.blocks[i][n-1:]
	}
	return nil
}

func (d *disk) syncDir() error {
	for _, file := range d.files {
		file.named = true
	}
	return nil
}

func (d *disk) remove(name string) (int64, error) {
	delete(d.files, name)
	return 0, nil
}

// cut gives what is there when the power is back.
func (d *disk) cut() *disk {
	after := newDisk(d.random)
	after.marked = maps.Clone(d.marked)
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		file := d.files[name]
		if !file.named && d.random.IntN(2) == 0 {
			continue
		}
		length := file.lengths[d.random.IntN(len(file.lengths))]
		data := make([]byte, 0, length+blockSize)
		for i := 0; i*blockSize < length; i++ {
			kept := block(file.now, i)
			if list := file.blocks[i]; len(list) > 0 {
				n := d.random.IntN(len(list))
				if kept = list[n]; n < len(list)-1 {
					d.lost++
				}
			}
			data = append(data, kept...)
		}
		after.files[name] = &diskFile{now: data[:length], lengths: []int{length}, blocks: map[int][][]byte{}, named: true}
	}
	return after
}

// life is a key's history: every page, which of them must outlive a power cut, and which only a kill.
type life struct {
	pages   []string
	synced  int // index of the page that was the newest when a sync began
	written int
}

// After a power cut there is the newest page that was synced or a newer one, whole. After a kill there is the newest.
func TestPowerCut(t *testing.T) {
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	if s := os.Getenv("LEDGER_SEED"); s != "" {
		_, _ = fmt.Sscan(s, &seed)
	}
	cuts, kills, lost, older := 0, 0, 0, 0
	for i := range uint64(powerSchedules) {
		p := powerTest{random: rand.New(rand.NewPCG(seed, i)), lives: map[string]*life{}}
		p.run(t)
		cuts, kills, lost, older = cuts+p.cuts, kills+p.kills, lost+p.lost, older+p.older
		if t.Failed() {
			t.Fatalf("seed %d, schedule %d", seed, i)
		}
	}
	t.Logf("seed %d: %d schedules, %d power cuts, %d kills, %d blocks lost, %d times an older page", seed, powerSchedules, cuts, kills, lost, older)
	if cuts < powerSchedules || kills < powerSchedules || lost < powerSchedules || older < powerSchedules/20 {
		t.Error("too little was lost to show anything")
	}
}

type powerTest struct {
	random *rand.Rand
	disk   *disk
	pages  *pages
	lives  map[string]*life
	// syncing tells that a sync is under way.
	syncing bool

	cuts, kills, lost, older int
}

func (p *powerTest) run(t *testing.T) {
	p.disk = newDisk(p.random)
	p.open()
	for range 40 + p.random.IntN(40) {
		key := []string{"a", "b"}[p.random.IntN(2)]
		switch p.random.IntN(20) {
		case 0:
			after := p.disk.cut()
			p.cuts, p.lost = p.cuts+1, p.lost+p.disk.lost
			p.disk = after
			p.open()
			p.check(t, true)
		case 1:
			p.kills++
			p.open()
			p.check(t, false)
		case 2:
			if err := p.pages.forget(key); err != nil {
				t.Error(err)
			}
			delete(p.lives, key)
		case 3:
			p.disk.full = true
			p.write(key)
			p.disk.full = false
		case 4, 5, 6, 7, 8, 9:
			p.sync(t, key)
		default:
			p.write(key)
		}
	}
}

// open does what openPages does.
func (p *powerTest) open() {
	_ = p.disk.syncDir()
	p.pages = newPages(p.disk, p.disk, promslog.NewNopLogger())
}

func (p *powerTest) life(key string) *life {
	if p.lives[key] == nil {
		p.lives[key] = &life{synced: -1, written: -1}
	}
	return p.lives[key]
}

func (p *powerTest) write(key string) {
	l := p.life(key)
	id := fmt.Sprintf("%s %d %d;", key, len(l.pages), p.random.Uint32())
	page := bytes.Repeat([]byte(id), 1+p.random.IntN([]int{10, 200, 600}[p.random.IntN(3)]))
	l.pages = append(l.pages, string(page))
	cut := p.random.IntN(len(page))
	if p.random.IntN(2) == 0 {
		if p.pages.write(key, [][]byte{page[:cut], page[cut:]}) == nil {
			l.written = len(l.pages) - 1
		}
		return
	}
	p.writeAhead(key, page[:cut], page[cut:])
}

// writeAhead writes a page's last part first. Between the two other things may happen: the page is not there until its end,
// and not at all where another one was written since, or all were forgotten.
func (p *powerTest) writeAhead(key string, first, last []byte) {
	l := p.life(key)
	number := len(l.pages) - 1
	w, err := p.pages.writeAhead(key, [][]byte{last})
	if err != nil {
		return
	}
	pages, other := p.pages, false
	switch p.random.IntN(8) {
	case 0:
		return // given up
	case 1:
		p.write(key)
		other = len(l.pages)-1 > number
	case 2:
		if !p.syncing { // there is one who syncs
			p.pages.sync(key)
		}
	case 3:
		p.disk.full = true
		p.write(key) // it may have been in the same place
		p.disk.full, other = false, true
	case 4:
		_ = p.pages.forget(key)
		delete(p.lives, key)
		other = true
	}
	taken, err := pages.finish(w, [][]byte{first})
	if taken == other {
		panic("taken, and not the last")
	}
	if taken && err == nil {
		l.written = number
	}
}

// sync syncs while the key is written: however often, the sync makes safe what it began with.
func (p *powerTest) sync(t *testing.T, key string) {
	t.Helper()
	l := p.life(key)
	began := l.written
	p.disk.during = func() {
		p.disk.during = func() {}
		if st := p.pages.byKey[key]; !st.mu.TryLock() {
			t.Error("a sync has the writers wait")
			return
		} else {
			st.mu.Unlock()
		}
		for range p.random.IntN(8) {
			p.write(key)
		}
	}
	p.syncing = true
	p.pages.sync(key)
	p.disk.during, p.syncing = func() {}, false
	l.synced = began
}

func (p *powerTest) check(t *testing.T, powerCut bool) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(p.lives)) {
		l := p.lives[key]
		got, list := -1, []version(nil)
		var err error
		if list, err = p.pages.list(key); err == nil {
			got = slices.Index(l.pages, string(list[0].page))
			if got < 0 {
				t.Errorf("%s: a page that never was", key)
			}
		} else if !errors.Is(err, ErrNoPage) {
			t.Errorf("%s: %v", key, err)
		}
		least := l.written
		if powerCut {
			least = l.synced
		}
		if got < least {
			t.Errorf("%s: page %d, written %d, synced %d, power cut %t", key, got, l.written, l.synced, powerCut)
		}
		if got < l.written {
			p.older++
		}
		// What was read is safe from here on, and what came after it never was.
		l.pages, l.synced, l.written = l.pages[:got+1], got, got
	}
}
