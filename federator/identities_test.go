package federator

import (
	"testing"
	"time"
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
