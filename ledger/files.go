package ledger

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// files are the files of the pages. They are an interface so that a test can cut the power.
type files interface {
	// open opens a file to be written, which it makes where it is missing.
	open(name string) (file, error)
	read(name string) ([]byte, error)
	sync(name string) error
	syncDir() error // the names
	// remove gives the size of what it removed.
	remove(name string) (size int64, err error)
}

// file is one of them.
type file interface {
	// writeAt writes parts that follow one another, and gives how many bytes of them are written.
	writeAt(at int64, parts ...[]byte) (n int, err error)
	io.Closer
	Truncate(size int64) error
}

// dirFiles are files in a directory. They are open only while a page is written: a thousand instances have four thousand.
type dirFiles string

func (d dirFiles) path(name string) string { return filepath.Join(string(d), name) }

func (d dirFiles) open(name string) (file, error) {
	f, err := os.OpenFile(d.path(name), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return dirFile{f}, nil
}

// dirFile is a file in a directory.
type dirFile struct{ *os.File }

// writeAt writes many parts by one call of the system, where it has one for that. What that leaves is written part by part: an
// error comes again, if it is one.
func (f dirFile) writeAt(at int64, parts ...[]byte) (n int, err error) {
	if len(parts) > 1 {
		n = writev(f.File, at, parts)
	}
	return f.writeRest(at, n, parts)
}

// writeRest writes what comes after the first n bytes of all parts, and gives how many are written then.
func (f dirFile) writeRest(at int64, n int, parts [][]byte) (int, error) {
	done := n
	for _, part := range parts {
		had := min(done, len(part))
		if done -= had; had == len(part) {
			continue
		}
		m, err := f.WriteAt(part[had:], at+int64(n))
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// tearAt is where a write is torn in two.
var tearAt = func(n int) int { return n }

func (d dirFiles) read(name string) ([]byte, error) { return os.ReadFile(d.path(name)) }

func (d dirFiles) sync(name string) error { return syncFile(d.path(name)) }

func (d dirFiles) syncDir() error { return syncFile(string(d)) }

func (d dirFiles) remove(name string) (int64, error) {
	info, err := os.Lstat(d.path(name))
	if err == nil {
		err = os.Remove(d.path(name))
	}
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// size is what all take together.
func (d dirFiles) size() (size int64) {
	entries, _ := os.ReadDir(string(d))
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			size += info.Size()
		}
	}
	return size
}

// syncFile makes a file, or the names in a directory, safe from a power cut.
func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
