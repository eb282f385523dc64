package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/relabel"
)

// A file is whole for who reads it at any moment.
func TestReplaceFileIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "targets.json")
	var group sync.WaitGroup
	stop := make(chan struct{})
	list := func(n int) []byte {
		text, err := encodeGroups(make([]discovery.Group, n))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if err := replaceFile(path, list(0)); err != nil {
		t.Fatal(err)
	}
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if text, err := os.ReadFile(path); err != nil || !json.Valid(text) {
				t.Errorf("half a list: %v", err)
			}
			if lists, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.json")); len(lists) != 1 {
				t.Errorf("a Prometheus that reads the directory finds %v", lists)
			}
		}
	})
	for i := range 50 {
		if err := replaceFile(path, list(i%2*1000)); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	group.Wait()
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestReplaceFileKeepsWhatIsTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "targets.json")
	write := func(text string) fs.FileInfo {
		t.Helper()
		if err := replaceFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); string(got) != text || info.Mode().Perm() != 0o644 {
			t.Errorf("%q with mode %v: %v", got, info.Mode(), err)
		}
		return info
	}
	first := write("[1]")
	if !os.SameFile(first, write("[1]")) {
		t.Error("the same content is written again")
	}
	second := write("[2]")
	if os.SameFile(first, second) {
		t.Error("the file is written in place")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if os.SameFile(second, write("[2]")) {
		t.Error("a mode that nobody else can read stays")
	}
}

func TestDistinct(t *testing.T) {
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0) }
	worker := func(key, node, address, id string, start int64, created uint64) discovery.Worker {
		return discovery.Worker{
			Target: relabel.Target{Identity: relabel.Identity{WorkerID: id}, Address: address}, Key: key, Node: node, StartTime: at(start), CreateIndex: created,
		}
	}
	var got []string
	for _, w := range distinct([]discovery.Worker{
		worker("late", "n1", "h:3", "1", 30, 3), worker("early", "n1", "h:1", "1", 10, 1),
		worker("replaced", "n1", "h:9", "4", 10, 5), worker("newest", "n1", "h:9", "5", 10, 6),
		worker("other node", "n2", "h:9", "6", 10, 1),
	}) {
		got = append(got, w.Key+"="+w.WorkerID)
	}
	want := []string{"early=1", "other node=6", "newest=5", "late=1~2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
