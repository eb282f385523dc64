package ledger

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	dbName    = "ledger.db"
	pagesName = "pages"
	lockName  = "lock"
)

// Disk is a Ledger in a directory: records in a bbolt file, each commit synced, and pages in files of their own.
type Disk struct {
	dir    string
	logger *slog.Logger
	lock   io.Closer

	mu      sync.RWMutex // held to write while the files are exchanged
	closed  bool
	db      *bolt.DB // nil: an error came while it was set aside
	pending error    // why it has still to be set aside
	lost    time.Time
	pages   *pages
	broken  atomic.Pointer[error] // the file changed under the process: bbolt panicked, and may hold its locks
}

// Open takes a directory, which it makes where it is missing. A ledger in it that is damaged, foreign or of a newer
// format is set aside. The error is a *HeldError, or what the file system says.
func Open(dir string, logger *slog.Logger) (*Disk, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the ledger's directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	d := &Disk{dir: dir, logger: logger, lock: lock}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

// open opens the files, or sets them aside and begins anew.
func (d *Disk) open() error {
	damage, err := d.openFiles()
	if err != nil || damage == nil {
		return err
	}
	return d.setAside(damage)
}

// openFiles opens what is there. damage is why it cannot be used.
func (d *Disk) openFiles() (damage, err error) {
	if err := d.finishSetAside(); err != nil {
		return nil, err
	}
	if damage := d.incomplete(); damage != nil {
		return damage, nil
	}
	db, damage, err := openDB(d.path(dbName))
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = &HeldError{Dir: d.dir}
	}
	if db == nil {
		return damage, err
	}
	if err := syncFile(d.dir); err != nil { // the records' name before there are pages
		return nil, errors.Join(fmt.Errorf("sync the ledger's directory: %w", err), db.Close())
	}
	pages, err := openPages(d.path(pagesName), dbMarks{db}, readAppended(db), d.logger)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	d.db, d.pages, d.lost = db, pages, lostTime(db)
	return nil, nil
}

// incomplete tells of pages without the records that they belong to: a ledger.db that was taken away, or cut to nothing.
func (d *Disk) incomplete() error {
	if info, err := os.Stat(d.path(dbName)); err == nil && info.Size() > 0 {
		return nil
	}
	if _, err := os.Stat(d.path(pagesName)); err == nil { // it is made after the records
		return fmt.Errorf("%w: there are pages, but no %s", ErrDamaged, dbName)
	}
	return nil
}

func (d *Disk) path(name string) string { return filepath.Join(d.dir, name) }

var errClosed = errors.New("the ledger is closed")

// use calls f while the files stay. Where an error came while the ledger was set aside, it tries again first.
func (d *Disk) use(f func() error) (err error) {
	d.mu.RLock()
	for d.db == nil || d.closed {
		closed := d.closed
		d.mu.RUnlock()
		if closed {
			return errClosed
		}
		if err := d.begin(); err != nil {
			return err
		}
		d.mu.RLock()
	}
	defer d.mu.RUnlock()
	if broken := d.broken.Load(); broken != nil {
		return *broken
	}
	defer func() {
		if r := recover(); r != nil { // bbolt trusts what it reads, and the disk may fail under its map
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
			d.broken.Store(&err)
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return f()
}

// begin ends what SetAside could not.
func (d *Disk) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed || d.db != nil:
		return nil
	case d.pending != nil:
		return d.setAside(d.pending)
	}
	return d.open()
}

// Close implements Store. It waits for the syncs under way.
func (d *Disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return errors.Join(d.closeFiles(), d.lock.Close())
}

func (d *Disk) closeFiles() (err error) {
	if d.db == nil {
		return nil
	}
	d.pages.close()
	if d.broken.Load() == nil { // else it may wait for ever, and there is nothing to write
		err = d.db.Close()
	}
	d.db, d.pages = nil, nil
	d.broken.Store(nil)
	return err
}

// Lost implements Ledger.
func (d *Disk) Lost() time.Time {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.lost
}

// Size implements Ledger.
func (d *Disk) Size() int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.db == nil {
		return 0
	}
	size := d.pages.bytes.Load()
	if info, err := os.Stat(d.path(dbName)); err == nil {
		size += info.Size()
	}
	return size
}

// WritePage implements Ledger.
func (d *Disk) WritePage(key string, page ...[]byte) error {
	return (&aheadPage{disk: d, key: key}).Finish(page...) // nothing of it is written yet
}

// LoadPage implements Ledger.
func (d *Disk) LoadPage(key string, f func(page []byte) bool) error {
	var list []version
	if err := d.use(func() (err error) {
		list, err = d.pages.list(key)
		return err
	}); err != nil {
		if errors.Is(err, ErrNoPage) {
			return ErrNoPage
		}
		return fmt.Errorf("read a page of the ledger: %w", err)
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
	if err := d.use(func() error { return d.pages.forget(key) }); err != nil {
		return fmt.Errorf("remove a page of the ledger: %w", err)
	}
	return nil
}
