package exposition

import "testing"

// TestKeys tells lines apart as Prometheus does: a label with an empty value is none.
func TestKeys(t *testing.T) {
	key := func(id SeriesID) string { return string(AppendKey(nil, id)) }
	if key(SeriesID{Family: "x", Labels: Labels{{"a", ""}, {"b", "c"}}}) != key(SeriesID{Family: "x", Labels: Labels{{"b", "c"}}}) {
		t.Error("an empty label makes another line")
	}
	different := []SeriesID{
		{Family: "x"},
		{Family: "y"},
		{Family: "x", Type: Counter},
		{Family: "x", Part: PartSum},
		{Family: "x", Part: PartBucket, Bound: 1},
		{Family: "x", Labels: Labels{{"a", "b"}}},
		{Family: "x", Labels: Labels{{"ab", ""}, {"a", "bc"}}},
		{Family: "x", Labels: Labels{{"a", "b"}, {"c", "d"}}},
		{Family: "x", Labels: Labels{{"a", "b\x01c\x01d"}}},
	}
	seen := map[string]int{}
	for i, id := range different {
		if j, twice := seen[key(id)]; twice {
			t.Errorf("%v and %v have one key", id, different[j])
		}
		seen[key(id)] = i
	}
}
