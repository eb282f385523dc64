package corpus

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

func values(t *testing.T, body []byte) (names []string, numbers []float64) {
	t.Helper()
	for line := range strings.Lines(string(body)) {
		if line[0] != '#' {
			cut := strings.LastIndexByte(line, ' ')
			v, err := strconv.ParseFloat(strings.TrimSpace(line[cut:]), 64)
			if err != nil {
				t.Fatal(err)
			}
			names, numbers = append(names, line[:cut]), append(numbers, v)
		}
	}
	return names, numbers
}

// TestGrow holds a body after each of many steps against the one before it, and the layout against the given one.
func TestGrow(t *testing.T) {
	s := New(Config{Workers: 1, Series: 1000, Rounds: 1, Seed: 1, Change: 1, Miss: .03, Shuffle: true})
	g, samples := s.Grow(0)
	given, _ := s.Render(nil, 0, 0)
	names, last := values(t, g.Body)
	if before, _ := values(t, given); strings.Join(before, "\n") != strings.Join(names, "\n") || len(names) != samples {
		t.Fatal("another layout than the given one")
	}
	for step := range 9999 {
		before := bytes.Clone(g.Body)
		g.Step()
		if step%100 > 1 && step < 9990 {
			continue
		}
		_, last = values(t, before)
		_, now := values(t, g.Body)
		same := 0
		for i, name := range names {
			gauge := now[i] == last[i] || strings.Contains(name, "process_") || strings.Contains(name, "_current") ||
				strings.Contains(name, "_in_") || strings.Contains(name, "_age_")
			if now[i] == last[i] {
				same++
			}
			if rise := now[i] - last[i]; !gauge && (rise < 1-1e-9 || rise > 1+1e-9) {
				t.Fatalf("step %d: %s went from %v to %v", step, name, last[i], now[i])
			}
			bucket, _, _ := strings.Cut(name, "{")
			if i > 0 && strings.HasSuffix(bucket, "_bucket") && !strings.Contains(name, `le="0.005"`) && now[i] < now[i-1] {
				t.Fatalf("step %d: %s is %v, below the bucket before it", step, name, now[i])
			}
		}
		if same > 4 {
			t.Fatalf("step %d: %d lines stay", step, same)
		}
	}
}
