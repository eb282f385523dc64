package ledger

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
)

// copyTries is how often a copy is made anew where the ledger was written meanwhile.
const copyTries = 10

// Copy copies a ledger into an empty directory, also while a federator holds it: bbolt never writes over what its last
// commit needs, so a copy within which at most one commit fell is whole. Where it is not, it is made anew.
func Copy(from, to string) error {
	var damage error
	for range copyTries {
		if err := copyOnce(from, to); err != nil {
			return fmt.Errorf("copy the ledger %s: %w", from, err)
		}
		var err error
		if damage, err = inspect(to); damage == nil || err != nil {
			return err
		}
	}
	return fmt.Errorf("copy the ledger %s: %w", from, damage)
}

// inspect tells whether a copy could be used: its records, and each page that must be there.
func inspect(dir string) (damage, err error) {
	db, damage, err := openDB(filepath.Join(dir, dbName))
	if db == nil {
		return damage, err
	}
	marks := dbMarks{db}
	p := newPages(dirFiles(filepath.Join(dir, pagesName)), marks, slog.New(slog.DiscardHandler))
	p.appended.Store(readAppended(db))
	for _, key := range marks.keys(paged) {
		if _, err := p.list(key); err != nil {
			damage = err
		}
	}
	return damage, db.Close()
}

// copyOnce copies the pages before the records, as records that are newer than a page do not harm, and those that are
// older do.
func copyOnce(from, to string) error {
	if err := os.MkdirAll(filepath.Join(to, pagesName), 0o700); err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(from, pagesName, "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		target := filepath.Join(to, pagesName, filepath.Base(name))
		if err := copyFile(name, target); err != nil && !errors.Is(err, os.ErrNotExist) { // forgotten meanwhile
			return err
		}
	}
	return copyFile(filepath.Join(from, dbName), filepath.Join(to, dbName))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
