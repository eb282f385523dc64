package exposition

import (
	"fmt"
	"testing"
)

// lineKey tells a line apart from all others.
func lineKey(id SeriesID) string {
	return fmt.Sprintf("%q %d %d %v %q", id.Family, id.Type, id.Part, id.Bound, AppendLabelsKey(nil, id.Labels))
}

// TestKeys tells series apart as Prometheus does: a label with an empty value is none.
func TestKeys(t *testing.T) {
	key := func(labels Labels) string { return string(AppendLabelsKey(nil, labels)) }
	if key(Labels{{"a", ""}, {"b", "c"}}) != key(Labels{{"b", "c"}}) {
		t.Error("an empty label makes another series")
	}
	different := []Labels{
		nil,
		{{"a", "b"}},
		{{"ab", ""}, {"a", "bc"}},
		{{"a", "b"}, {"c", "d"}},
		{{"a", "b\x01c\x01d"}},
	}
	seen := map[string]int{}
	for i, labels := range different {
		if j, twice := seen[key(labels)]; twice {
			t.Errorf("%v and %v have one key", labels, different[j])
		}
		seen[key(labels)] = i
	}
}
