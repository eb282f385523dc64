package federator

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/discovery"
)

// Identities of folded incarnations come back from their records with their age, and go with their retention.
func TestIdentitiesComeBack(t *testing.T) {
	begun := time.Unix(1_000, 0)
	before := &clock{started: begun}
	ids := newIdentities(before)
	ids.remember("old", identity{ServiceID: "a", Goodbye: true, Start: 7, At: begun})
	ids.remember("young", identity{ServiceID: "b", At: begun.Add(time.Hour)})

	after := &clock{started: begun.Add(1000 * time.Hour)} // the federator was away, or the clock was set
	if err := after.resume(before.record(begun.Add(2 * time.Hour))); err != nil {
		t.Fatal(err)
	}
	back := newIdentities(after)
	for _, key := range []string{"young", "old"} {
		if err := back.restore(key, ids.unsaved[key]); err != nil {
			t.Fatal(err)
		}
	}
	back.sort()
	if !back.handedIn("a", 7) || back.handedIn("b", 0) {
		t.Errorf("finals: %v", back.finals)
	}
	now := after.started
	back.expire(now, 2*time.Hour+time.Minute)
	if len(back.byKey) != 2 {
		t.Errorf("time without a federator makes old: %v", back.byKey)
	}
	back.expire(now, 90*time.Minute)
	if _, old := back.byKey["old"]; old || len(back.byKey) != 1 || back.unsaved["old"] != nil || len(back.unsaved) != 1 {
		t.Errorf("after its retention: %v, to be written: %v", back.byKey, back.unsaved)
	}
}

// TestGone tells the registration that an identity has left from its next life under the same ID.
func TestGone(t *testing.T) {
	f := func(id identity, w discovery.Worker, want bool) {
		t.Helper()
		if got := id.gone(&w); got != want {
			t.Errorf("%+v, and the registration %+v: %t", id, w, got)
		}
	}
	at := func(address string, index uint64, start int64) (w discovery.Worker) {
		w.Address, w.CreateIndex = address, index
		if start > 0 {
			w.StartTime = time.Unix(start, 0)
		}
		return w
	}
	f(identity{}, at("a", 0, 0), false)
	f(identity{Goodbye: true}, at("a", 0, 0), true)
	f(identity{Goodbye: true}, at("a", 7, 300), true)
	f(identity{Goodbye: true, CreateIndex: 7}, at("a", 7, 0), true)
	f(identity{Goodbye: true, CreateIndex: 7}, at("a", 8, 0), false)
	f(identity{Goodbye: true, CreateIndex: 8}, at("a", 7, 0), true)
	f(identity{Goodbye: true, Start: 300}, at("a", 0, 301), true)
	f(identity{Goodbye: true, Start: 300}, at("a", 0, 302), false)
	f(identity{Goodbye: true, Start: 300}, at("a", 0, 298), false)
	f(identity{Goodbye: true, Start: 300}, at("a", 0, 0), true)
	f(identity{Replaced: "a"}, at("a", 0, 0), true)
	f(identity{Replaced: "a"}, at("b", 0, 0), false)
	f(identity{Replaced: "a", CreateIndex: 7}, at("a", 8, 0), false)
}

// TestOtherProcess tells by its start time whether a process is another one than the one that was counted.
func TestOtherProcess(t *testing.T) {
	f := func(id identity, start float64, want bool) {
		t.Helper()
		if got := id.other(start, time.Unix(500, 0)); got != want {
			t.Errorf("%+v, started at %v: %t", id, start, got)
		}
	}
	f(identity{}, 300, false)
	f(identity{Start: 300}, 301, false)
	f(identity{Start: 300}, 302, true)
	f(identity{Start: 300}, 298, true)
	f(identity{Start: 300}, 0, false)
	f(identity{Lost: true}, 0, false)
	f(identity{Lost: true}, 499.9, false)
	f(identity{Lost: true}, 500, true)
}

// TestIdentitiesThatWereNotSaved are written with the next ones, as they are by then.
func TestIdentitiesThatWereNotSaved(t *testing.T) {
	ids := newIdentities(&clock{})
	ids.remember("a", identity{Start: 1})
	ids.remember("b", identity{Start: 2})
	failed := ids.unsaved
	ids.unsaved = map[string][]byte{}
	ids.remember("a", identity{Start: 3})
	ids.again(failed)
	for key, want := range map[string]string{"a": `"start":3`, "b": `"start":2`} {
		if got := string(ids.unsaved[key]); !strings.Contains(got, want) {
			t.Errorf("%s is written as %s, want %s", key, got, want)
		}
	}
}

// TestForgottenIdentities are not known by their service ID either, and others are.
func TestForgottenIdentities(t *testing.T) {
	ids := newIdentities(&clock{})
	ids.remember("a", identity{ServiceID: "s", Goodbye: true, Start: 1, At: time.Unix(1, 0)})
	ids.remember("b", identity{ServiceID: "s", At: time.Unix(1, 0)}) // on another node
	ids.forget("b")
	ids.forget("none")
	if !ids.handedIn("s", 1) || len(ids.unsaved) != 2 {
		t.Errorf("finals %v, to be written %v", ids.finals, ids.unsaved)
	}
	ids.expire(time.Unix(9, 0), time.Second)
	if ids.handedIn("s", 1) || len(ids.byKey) != 0 || len(ids.queue) != 0 {
		t.Errorf("finals %v, by key %v, queue %v", ids.finals, ids.byKey, ids.queue)
	}
}

// TestMostIdentities forgets the oldest where there are too many, but for those that were seen since.
func TestMostIdentities(t *testing.T) {
	ids := newIdentities(&clock{})
	for i := range maxIdentities + 3 {
		ids.remember(strconv.Itoa(i), identity{At: time.Unix(int64(i), 0)})
	}
	ids.remember("0", identity{At: time.Unix(maxIdentities+3, 0)})
	ids.expire(time.Unix(maxIdentities+4, 0), 24*time.Hour)
	for key, want := range map[string]bool{"0": true, "1": false, "3": false, "4": true} {
		if _, got := ids.byKey[key]; got != want {
			t.Errorf("%s is known: %t", key, got)
		}
	}
}
