package ledger

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
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

	mu    sync.RWMutex // held to write while the files are exchanged
	db    *bolt.DB
	lost  time.Time
	pages *pages
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
	if db == nil {
		return damage, err
	}
	pages, err := openPages(d.path(pagesName), db, d.logger)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	d.db, d.pages, d.lost = db, pages, lostTime(db)
	return nil, nil
}

// incomplete tells of pages without the records that they belong to: a ledger.db that was taken away.
func (d *Disk) incomplete() error {
	if info, err := os.Stat(d.path(dbName)); err == nil && info.Size() > 0 {
		return nil
	}
	if entries, _ := os.ReadDir(d.path(pagesName)); len(entries) > 0 {
		return fmt.Errorf("%w: there are pages, but no %s", ErrDamaged, dbName)
	}
	return nil
}

func (d *Disk) path(name string) string { return filepath.Join(d.dir, name) }

// Close implements Store. It waits for the syncs under way.
func (d *Disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.db == nil {
		return d.lock.Close()
	}
	d.pages.close()
	return errors.Join(d.db.Close(), d.lock.Close())
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
	size := d.pages.size()
	if info, err := os.Stat(d.path(dbName)); err == nil {
		size += info.Size()
	}
	return size
}

var errNotOpen = errors.New("the ledger is not open: an error came while it was set aside")
