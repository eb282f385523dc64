package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/promslog"
	bolt "go.etcd.io/bbolt"
)

// crashed is the exit code of a child that died where it was told to.
const crashed = 42

// lives are what a child does with the ledger that it has opened.
var lives = map[string]func(*Disk) error{"crash": writeStates}

// child is another process: `open DIR`, another one of lives, or `crash DIR STEP N`, which writes states one after the other until it comes to
// a step for the nth time, and dies there.
func child() int {
	args := os.Args[2:]
	if args[0] == "crash" {
		n, _ := strconv.Atoi(args[3])
		atStep = func(name string) {
			if name == args[2] {
				if n--; n == 0 {
					os.Exit(crashed)
				}
			}
		}
		tearAt = func(n int) int { return n / 2 }
	}
	d, err := Open(args[1], promslog.NewNopLogger())
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if live := lives[args[0]]; live != nil {
		err = live(d)
	}
	if err = errors.Join(err, d.Close()); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

const (
	states    = 6
	asideFrom = 4 // before this state the ledger is set aside
)

// writeStates writes state after state, and says on standard output which calls have returned.
func writeStates(d *Disk) error {
	for i := 1; i <= states; i++ {
		if i == asideFrom {
			if err := d.SetAside(errors.New("test")); err != nil {
				return err
			}
			fmt.Println("aside")
		}
		first, last := pageOf(i)[:100*i], pageOf(i)[100*i:]
		page := d.WriteAhead("k", last[:1000])
		page.Append(last[1000:2000], last[2000:])
		var b Batch
		for _, key := range []string{"a", "b", "c"} {
			b.Put(key, fmt.Appendf(nil, "%d", i))
		}
		if err := d.Append(&b); err != nil {
			return err
		}
		fmt.Printf("records %d\n", i)
		if err := page.Finish(first); err != nil {
			return err
		}
		fmt.Printf("page %d\n", i)
		if err := writeThenForget(d, i); err != nil {
			return err
		}
	}
	return nil
}

// writeThenForget writes another key's page twice in each state, and forgets it in every other one.
func writeThenForget(d *Disk, i int) error {
	if err := errors.Join(d.WritePage("f", []byte("older")), d.WritePage("f", []byte("newer"))); err != nil {
		return err
	}
	fmt.Println("kept")
	if i%2 == 0 {
		return nil
	}
	fmt.Println("forgetting")
	if err := d.ForgetPage("f"); err != nil {
		return err
	}
	fmt.Println("forgotten")
	return nil
}

func pageOf(i int) []byte { return []byte(strings.Repeat(strconv.Itoa(i), 5000+i)) }

// A process may die at any step of a write. The next one finds what was written, or what was before, whole; and what
// a call had returned for is there.
func TestCrashPoints(t *testing.T) {
	deaths := 0
	for _, name := range steps {
		visited := 0
		for n := 1; n <= states+2; n++ {
			dir := t.TempDir()
			out, err := childCommand(t, "crash", dir, name, strconv.Itoa(n)).Output()
			if err == nil {
				break // it does not come to the step that often
			}
			if !strings.Contains(err.Error(), fmt.Sprintf("exit status %d", crashed)) {
				t.Fatalf("%s %d: %v", name, n, err)
			}
			visited++
			checkAfterCrash(t, fmt.Sprintf("%s, time %d", name, n), dir, string(out))
		}
		if visited == 0 {
			t.Errorf("no write comes to the step %s", name)
		}
		deaths += visited
	}
	t.Logf("crash points: %d steps, %d deaths", len(steps), deaths)
	if deaths < 2*len(steps) {
		t.Errorf("only %d deaths", deaths)
	}
}

func checkAfterCrash(t *testing.T, where, dir, out string) {
	t.Helper()
	records, page, aside := 0, 0, strings.Contains(out, "aside\n")
	for line := range strings.Lines(out) {
		_, _ = fmt.Sscanf(line, "records %d", &records)
		_, _ = fmt.Sscanf(line, "page %d", &page)
	}
	d := openDisk(t, dir)
	defer closeDisk(t, d)
	lost := !d.Lost().IsZero()
	if aside && !lost {
		t.Errorf("%s: the loss is not known", where)
	}
	var got []string
	if err := d.Load("", func(_ string, value []byte) error { got = append(got, string(value)); return nil }); err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	check := func(what string, written, state int) {
		if lost && state == 0 {
			state = asideFrom - 1 // empty again
		}
		if state != written && state != written+1 {
			t.Errorf("%s: %s of state %d, %d was written", where, what, state, written)
		}
	}
	check("records", records, stateOf(got))
	check("page", page, stateOfPage(newestPage(t, d, "k")))
	checkForgotten(t, d, where, out)
	if left, _ := filepath.Glob(filepath.Join(dir, movingName)); len(left) > 0 {
		t.Errorf("%s: %q is left", where, left)
	}
	if asides, _ := filepath.Glob(filepath.Join(dir, "damaged-*", dbName)); lost != (len(asides) == 1) {
		t.Errorf("%s: lost is %t, set aside %q", where, lost, asides)
	}
}

// checkForgotten: what was being forgotten is there as it was, or not at all: never an older page of it. Files of what
// was forgotten do not stay.
func checkForgotten(t *testing.T, d *Disk, where, out string) {
	t.Helper()
	got := newestPage(t, d, "f")
	ended := func(line string) bool { return strings.HasSuffix(out, line+"\n") }
	switch {
	case ended("kept") && got != "newer", ended("forgetting") && got == "older", ended("forgotten") && got != "none":
		t.Errorf("%s: the page is %q", where, got)
	}
	names, _ := filepath.Glob(filepath.Join(d.dir, pagesName, fileName("f", 0)[:24]+"*"))
	if (ended("forgetting") || ended("forgotten")) && got == "none" && len(names) > 0 {
		t.Errorf("%s: left of what is forgotten: %q", where, names)
	}
}

// stateOf is what all records say; -1 where they do not agree.
func stateOf(values []string) int {
	if len(values) == 0 {
		return 0
	}
	for _, v := range values {
		if v != values[0] || len(values) != 3 {
			return -1
		}
	}
	n, _ := strconv.Atoi(values[0])
	return n
}

func stateOfPage(page string) int {
	for i := 1; i <= states; i++ {
		if page == string(pageOf(i)) {
			return i
		}
	}
	if page == "none" {
		return 0
	}
	return -1
}

// rawDB changes the file behind the ledger's back; without a bucket it makes the file another program's.
func rawDB(dir string, bucket, key, value []byte) error {
	path := filepath.Join(dir, dbName)
	if bucket == nil {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		switch {
		case bucket == nil:
			_, err := tx.CreateBucket([]byte("widgets"))
			return err
		case value == nil:
			return tx.Bucket(bucket).Delete(key)
		}
		return tx.Bucket(bucket).Put(key, value)
	})
	return errors.Join(err, db.Close())
}
