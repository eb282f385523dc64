package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fedscrape/fedscrape/discovery"
)

// targetsMode lets a Prometheus of another user read the file.
const targetsMode = 0o644

// encodeGroups is for people too: it is indented.
func encodeGroups(groups []discovery.Group) ([]byte, error) {
	if groups == nil {
		groups = []discovery.Group{} // null is no list
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(groups)
	return text.Bytes(), err
}

// replaceFile gives a file this content: whole or not at all for whoever reads it, and after a power cut. A file that
// has it already is left alone, so that nobody who watches it wakes up.
func replaceFile(path string, content []byte) error {
	same, err := hasContent(path, content)
	if err != nil || same {
		return err
	}
	dir := filepath.Dir(path)
	// The name does not end in .json, or a Prometheus that reads a whole directory would take it for a list.
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := fill(temp, content); err != nil {
		_ = os.Remove(temp.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		_ = os.Remove(temp.Name())
		return fmt.Errorf("replace %s: %w", path, err)
	}
	return syncDir(dir)
}

func hasContent(path string, content []byte) (bool, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look at what is there: %w", err)
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s is no file that can be replaced", path)
	case info.Size() != int64(len(content)) || info.Mode().Perm() != targetsMode:
		return false, nil
	}
	there, err := os.Open(path)
	if err != nil {
		return false, nil //nolint:nilerr // what cannot be read can still be replaced
	}
	defer func() { _ = there.Close() }()
	text, err := io.ReadAll(io.LimitReader(there, int64(len(content))+1))
	return err == nil && bytes.Equal(text, content), nil
}

func fill(f *os.File, content []byte) error {
	_, err := f.Write(content)
	if err == nil {
		err = f.Chmod(targetsMode)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a rename last. Where a file system cannot do that, the file is there all the same.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the directory to sync it: %w", err)
	}
	_ = dir.Sync()
	return dir.Close()
}
