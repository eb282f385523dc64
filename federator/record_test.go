package federator

import (
	"encoding/json"
	"math"
	"testing"
)

// TestHeadIsJSON: a head is what encoding/json makes of it, by which older and newer versions read it.
func TestHeadIsJSON(t *testing.T) {
	f := func(h headRecord) {
		t.Helper()
		want, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.appendJSON([]byte("before")); string(got) != "before"+string(want) {
			t.Errorf("%s, want %s after before", got, want)
		}
		page := pageRecord{headRecord: h, Members: []json.RawMessage{json.RawMessage(`{"uid":1}`), json.RawMessage(`{}`)}}
		if want, err = json.Marshal(page); err != nil {
			t.Fatal(err)
		}
		if got := page.json(nil); string(got) != string(want) {
			t.Errorf("page %s, want %s", got, want)
		}
	}
	departed := map[string]int{reasonGoodbye: 1, reasonVanished: 2, reasonReplaced: 3, reasonExpired: 4}
	f(headRecord{JobName: "webapp", Started: 1, Resets: 2, Lost: 3, Departed: departed, Idle: 4, At: 5})
	f(headRecord{JobName: "a\"<\\\u2028\xff\n", Started: math.MaxInt, Departed: map[string]int{
		reasonGoodbye: 0, reasonVanished: 0, reasonReplaced: 0, reasonExpired: math.MaxInt,
	}, Idle: math.MinInt64, At: math.MaxInt64})
}
