package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A ledger is set aside by moving its files into a directory of its own. The directory is first made under a name that
// says that the move is not over, so that a process that dies within leaves nothing half: the next one ends it.
const (
	movingName = "setting-aside"
	asideName  = "damaged-20060102T150405Z"
)

// SetAside implements Ledger.
func (d *Disk) SetAside(reason error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	if err := d.closeFiles(); err != nil { // what cannot be closed can be moved
		d.logger.Warn("Ledger cannot be closed to be set aside", "err", err)
	}
	return d.setAside(reason)
}

// setAside moves the files and opens new ones. Until it has, the old ones are not used: the next call tries again.
func (d *Disk) setAside(reason error) error {
	d.pending = reason
	if err := d.exchange(reason); err != nil {
		return err
	}
	d.pending = nil
	return nil
}

func (d *Disk) exchange(reason error) error {
	step("aside.begin")
	if err := os.MkdirAll(d.path(movingName), 0o750); err != nil {
		return fmt.Errorf("set the ledger aside: %w", err)
	}
	_ = os.WriteFile(filepath.Join(d.path(movingName), "reason"), []byte(reason.Error()+"\n"), 0o600) // for a person; the move counts
	if err := syncFile(d.dir); err != nil {
		return fmt.Errorf("set the ledger aside: %w", err)
	}
	step("aside.named")
	damage, err := d.openFiles() // ends the move first
	if err = errors.Join(damage, err); err != nil {
		return fmt.Errorf("begin a new ledger: %w", err)
	}
	return nil
}

// finishSetAside ends a move that has begun, be it by a process that died within.
func (d *Disk) finishSetAside() error {
	moving := d.path(movingName)
	if _, err := os.Stat(moving); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, name := range []string{pagesName, dbName} {
		if err := moveOnce(d.path(name), filepath.Join(moving, name)); err != nil {
			return fmt.Errorf("set the ledger aside: %w", err)
		}
		step("aside.moved")
	}
	if err := errors.Join(syncFile(moving), syncFile(d.dir)); err != nil { // before a new file has the name
		return fmt.Errorf("set the ledger aside: %w", err)
	}
	if err := d.beginAfterLoss(); err != nil {
		return fmt.Errorf("begin a new ledger: %w", err)
	}
	step("aside.begun")
	aside, err := freeName(d.path(time.Now().UTC().Format(asideName)))
	if err == nil {
		err = syncFile(d.dir) // the new file is there before the move is over
	}
	if err == nil {
		err = os.Rename(moving, aside)
	}
	if err == nil {
		err = syncFile(d.dir)
	}
	if err != nil {
		return fmt.Errorf("set the ledger aside: %w", err)
	}
	reason, _ := os.ReadFile(filepath.Join(aside, "reason"))
	d.logger.Error("Ledger cannot be used: it is set aside, nothing of it is deleted; counters start from 0, with what workers show now as their base",
		"set_aside", aside, "err", strings.TrimSpace(string(reason)))
	return nil
}

// moveOnce moves a file, unless an earlier process has: what has the name now is new.
func moveOnce(from, to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if err := os.Rename(from, to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// beginAfterLoss makes the new file, which knows from the first that it follows a loss. A half-made one is of a
// process that died here.
func (d *Disk) beginAfterLoss() error {
	db, damage, err := openDB(d.path(dbName))
	if damage != nil {
		if err := os.Remove(d.path(dbName)); err != nil {
			return err
		}
		db, damage, err = openDB(d.path(dbName))
	}
	if err = errors.Join(damage, err); err != nil {
		return err
	}
	now, err := time.Now().UTC().MarshalText()
	if err != nil {
		return errors.Join(err, db.Close())
	}
	err = update(db, func(tx *change) error { return tx.set(metaBucket, lostKey, now) })
	return errors.Join(err, db.Close())
}

// freeName gives the name, with a number after it where it is taken.
func freeName(name string) (string, error) {
	free := name
	for n := 2; n < 1000; n++ {
		if _, err := os.Lstat(free); errors.Is(err, os.ErrNotExist) {
			return free, nil
		}
		free = fmt.Sprintf("%s-%d", name, n)
	}
	return "", fmt.Errorf("%s and a thousand others are taken", name)
}
