package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// slotCount is how many versions of a page there are. A write takes the one that is neither the newest written, which
// kill -9 must leave, nor the newest synced, which a power cut must leave.
const slotCount = 3

const pageMagic = "fscpage\x01" // the last byte is the format version

// pages are the files of the pages. They do not stay open: a thousand instances have three thousand.
type pages struct {
	dir    string
	db     *bolt.DB
	logger *slog.Logger
	syncer *syncer

	mu    sync.Mutex
	byKey map[string]*pageState
}

// pageState is what is known of a key's slots. Its lock is held during a write.
type pageState struct {
	mu     sync.Mutex
	seq    [slotCount]uint64 // 0: nothing valid
	length [slotCount]int64  // of the files
	newest int
	synced int // -1: none
	paged  bool
}

func openPages(dir string, db *bolt.DB, logger *slog.Logger) (*pages, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the directory of the ledger's pages: %w", err)
	}
	p := &pages{dir: dir, db: db, logger: logger, byKey: map[string]*pageState{}}
	p.syncer = startSyncer(p)
	return p, nil
}

func (p *pages) close() { p.syncer.close() }

func (p *pages) path(key string, slot int) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(p.dir, hex.EncodeToString(sum[:12])+"."+strconv.Itoa(slot))
}

// state gives what is known of a key, read from the files the first time.
func (p *pages) state(key string) (*pageState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st := p.byKey[key]; st != nil {
		return st, nil
	}
	list, st, err := p.read(key)
	if err != nil {
		return nil, err
	}
	st.synced = -1
	if len(list) > 0 {
		st.newest = list[0].slot
		if syncFile(p.path(key, st.newest)) == nil { // which an earlier process may not have lived to do
			st.synced = st.newest
		}
	}
	p.byKey[key] = st
	return st, nil
}

// version is one slot's page.
type version struct {
	slot int
	seq  uint64
	page []byte
}

// read gives the valid versions, the newest first.
func (p *pages) read(key string) ([]version, *pageState, error) {
	st := &pageState{paged: isPaged(p.db, key)}
	var list []version
	for slot := range slotCount {
		data, err := os.ReadFile(p.path(key, slot))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read a page of the ledger: %w", err)
		}
		st.length[slot] = int64(len(data))
		seq, page, err := decodePage(key, data)
		if err != nil {
			p.logger.Warn("Ledger has a page that was not written to its end, or is damaged; an older one counts", "file", p.path(key, slot), "err", err)
			continue
		}
		st.seq[slot] = seq
		list = append(list, version{slot, seq, page})
	}
	slices.SortFunc(list, func(a, b version) int { return cmp.Compare(b.seq, a.seq) })
	return list, st, nil
}

// appendPage appends a page as it is in its file: magic, lengths, number, key, page, checksum.
func appendPage(dst []byte, key string, seq uint64, page []byte) []byte {
	dst = append(dst, pageMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(key))) //nolint:gosec // keys are short
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(page)))
	dst = binary.LittleEndian.AppendUint64(dst, seq)
	dst = append(dst, key...)
	dst = append(dst, page...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

const pageHead = len(pageMagic) + 4 + 8 + 8

// decodePage is the way back. The file may be longer than the page: an older one was.
func decodePage(key string, data []byte) (seq uint64, page []byte, err error) {
	if len(data) < pageHead || !bytes.HasPrefix(data, []byte(pageMagic)) {
		return 0, nil, fmt.Errorf("%w: it is no page of this format", ErrDamaged)
	}
	keyLength, pageLength := uint64(binary.LittleEndian.Uint32(data[8:])), binary.LittleEndian.Uint64(data[12:])
	seq = binary.LittleEndian.Uint64(data[20:])
	rest := uint64(len(data) - pageHead) //nolint:gosec // not negative
	if keyLength > rest || pageLength > rest-keyLength || rest-keyLength-pageLength < 4 {
		return 0, nil, fmt.Errorf("%w: it ends too early", ErrDamaged)
	}
	end := uint64(pageHead) + keyLength + pageLength
	if crc32.Checksum(data[:end], castagnoli) != binary.LittleEndian.Uint32(data[end:]) {
		return 0, nil, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	begin := uint64(pageHead) + keyLength
	if string(data[pageHead:begin]) != key || seq == 0 {
		return 0, nil, fmt.Errorf("%w: it is of another key", ErrDamaged)
	}
	return seq, data[begin:end], nil
}

// pageBuffers are what pages are put together in.
var pageBuffers = sync.Pool{New: func() any { return new([]byte) }}

// WritePage implements Ledger.
func (d *Disk) WritePage(key string, page []byte) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.db == nil {
		return errNotOpen
	}
	if err := d.pages.write(key, page); err != nil {
		return fmt.Errorf("write a page of the ledger: %w", err)
	}
	return nil
}

func (p *pages) write(key string, page []byte) error {
	st, err := p.state(key)
	if err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	slot := st.free()
	seq := st.seq[st.newest] + 1
	buf := pageBuffers.Get().(*[]byte) //nolint:forcetypeassert // nothing else is put there
	defer pageBuffers.Put(buf)
	*buf = appendPage((*buf)[:0], key, seq, page)
	st.seq[slot] = 0 // until it is whole
	if err := p.writeSlot(key, slot, *buf, st); err != nil {
		return err
	}
	st.seq[slot], st.newest = seq, slot
	p.syncer.ask(key)
	return nil
}

// free gives the slot that may be lost.
func (st *pageState) free() int {
	for slot := range slotCount {
		if slot != st.synced && (slot != st.newest || st.seq[slot] == 0) {
			return slot
		}
	}
	return 0 // not reached: there are three
}

// writeSlot writes a file from its begin. A long old one is cut, or a page that shrank would cost its disk for ever.
func (p *pages) writeSlot(key string, slot int, data []byte, st *pageState) error {
	file, err := os.OpenFile(p.path(key, slot), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	step("page.begin")
	err = writeInSteps(file, data)
	length := max(st.length[slot], int64(len(data)))
	if err == nil && length > 2*int64(len(data))+4096 {
		length = int64(len(data))
		err = file.Truncate(length)
	}
	if err == nil {
		st.length[slot] = length
	}
	err = errors.Join(err, file.Close())
	step("page.done")
	return err
}

// writeInSteps writes at once, but for the test that dies in the middle of it.
func writeInSteps(file *os.File, data []byte) error {
	at := tearAt(len(data))
	if _, err := file.WriteAt(data[:at], 0); err != nil {
		return err
	}
	if at == len(data) {
		return nil
	}
	step("page.torn")
	_, err := file.WriteAt(data[at:], int64(at))
	return err
}

// tearAt is where a write is torn in two.
var tearAt = func(n int) int { return n }

// LoadPage implements Ledger.
func (d *Disk) LoadPage(key string, f func(page []byte) bool) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.db == nil {
		return errNotOpen
	}
	list, st, err := d.pages.read(key)
	switch {
	case err != nil:
		return err
	case len(list) == 0 && st.paged:
		return fmt.Errorf("%w: no page of %q can be read", ErrDamaged, key)
	case len(list) == 0:
		return ErrNoPage
	}
	for _, v := range list {
		if f(v.page) {
			break
		}
	}
	return nil
}

// ForgetPage implements Ledger.
func (d *Disk) ForgetPage(key string) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.db == nil {
		return errNotOpen
	}
	if err := d.pages.forget(key); err != nil {
		return fmt.Errorf("remove a page of the ledger: %w", err)
	}
	return nil
}

// forget takes back first that there must be a page.
func (p *pages) forget(key string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := setPaged(p.db, key, false); err != nil {
		return err
	}
	delete(p.byKey, key)
	for slot := range slotCount {
		if err := os.Remove(p.path(key, slot)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (p *pages) size() (size int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.byKey {
		for slot := range slotCount {
			size += st.length[slot]
		}
	}
	return size
}
