package ledger

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
)

const dbCuts = 300

// A power cut in the middle of a commit leaves the records as they were before it, or after it. bbolt writes to an
// *os.File, between which and the disk nothing can be put, so the cut is made out of the file before and after: bbolt
// writes pages that nobody uses, syncs, writes one of its two first pages, and syncs. That it keeps to this order is
// shown by its own tests, which cut the power of a device-mapper disk; what follows from it is shown here.
func TestPowerCutOfRecords(t *testing.T) {
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	d := openDisk(t, dir)
	before, old, anew := snapshot(t, dir), 0, 0
	states := []string{allOf(d)}
	for i := range dbCuts {
		var b Batch
		for range 1 + random.IntN(20) {
			key := fmt.Sprint("key", random.IntN(100))
			if b.Put(key, bytes.Repeat([]byte{byte(i)}, random.IntN(500))); random.IntN(3) == 0 {
				b.Delete(key)
			}
		}
		b.Put("n", fmt.Append(nil, i))
		if err := d.Append(&b); err != nil {
			t.Fatal(err)
		}
		after := snapshot(t, dir)
		states = append(states, allOf(d))
		switch got := afterCut(t, cutOf(before, after, random)); got {
		case states[i]:
			old++
		case states[i+1]:
			anew++
		default:
			t.Fatalf("seed %d: cut %d leaves %.100q", seed, i, got)
		}
		before = after
	}
	closeDisk(t, d)
	t.Logf("seed %d: %d cuts, %d before the commit, %d after it", seed, dbCuts, old, anew)
	if old < dbCuts/5 || anew < dbCuts/20 {
		t.Error("the cuts fell on one side")
	}
}

func snapshot(t *testing.T, dir string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, dbName))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// cutOf is the file when the power went: before the first sync, or after it in the middle of the first page.
func cutOf(before, after []byte, random *rand.Rand) []byte {
	page := os.Getpagesize()
	data := append(bytes.Clone(before), make([]byte, max(0, len(after)-len(before)))...)
	synced := random.IntN(2) == 0
	for at := 0; at < len(after); at += blockSize {
		end := min(at+blockSize, len(after))
		first := at < 2*page
		if first && synced && random.IntN(2) == 0 || !first && (synced || random.IntN(2) == 0) {
			copy(data[at:end], after[at:end])
		}
	}
	return data
}

func afterCut(t *testing.T, data []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, dbName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir, promslog.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer closeDisk(t, d)
	if !d.Lost().IsZero() {
		return "set aside"
	}
	return allOf(d)
}
