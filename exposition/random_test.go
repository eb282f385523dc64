package exposition

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// tokens are what pages are made of, and what nearly is.
var tokens = []string{
	"# TYPE ", "# HELP ", "# UNIT ", "# EOF\n", "#", "# ", "x", "x_total", "x_bucket", "x_sum", "x_count", "x_created", "x_gsum", "x_info",
	"counter", "gauge", "histogram", "summary", "untyped", "unknown", "gaugehistogram", "info", "stateset", "le", "quantile", "a", "a.b", "é",
	"{", "}", "{}", "\"", "\"x.y\"", "=", ",", ", ", "a=\"b\"", "le=\"1\"", "le=\"+Inf\"", "quantile=\"0.5\"", "\"a.b\"=\"c\"", "\\", "\\n", "\\\"", "\xff",
	" ", "  ", "\t", "\n", "\n\n", "\r\n", " 1\n", " 1", " -0", " 1.5", " NaN", " +Inf", " 1e3", " 1_0", " 0x1p1", " 123", " 1.25", "9007199254740993",
	" # ", " # {a=\"b\"} 1", " # {} 1 1.5", ":", "_", "x 1\n", "x{a=\"b\"} 2\n", "# TYPE x histogram\nx_bucket{le=\"1\"} 1\n",
}

// randomPage is some tokens, or a good page with some of them put in, or cut out of it.
func randomPage(r *rand.Rand, good []string) []byte {
	page := []byte(good[r.IntN(len(good))])
	if r.IntN(4) == 0 {
		page = nil
	}
	for range 1 + r.IntN(3) {
		at := r.IntN(len(page) + 1)
		end := at
		if r.IntN(2) == 0 {
			end = min(len(page), at+r.IntN(5))
		}
		page = append(page[:at:at], append([]byte(tokens[r.IntN(len(tokens))]), page[end:]...)...)
	}
	return page
}

// TestRandomPagesMatchTextparse judges pages that are nearly right, which fuzzing by bytes seldom finds.
func TestRandomPagesMatchTextparse(t *testing.T) {
	families := map[Format][]string{}
	for _, f := range allTypes {
		one := []Family{f}
		families[Text] = append(families[Text], encode(t, "", one))
		open := encode(t, "application/openmetrics-text;version=1.0.0", one)
		families[OpenMetrics] = append(families[OpenMetrics], strings.TrimSuffix(open, "# EOF\n"))
	}
	count := 30000
	if testing.Short() {
		count = 3000
	}
	for format, good := range families {
		r := rand.New(rand.NewPCG(1, uint64(format)))
		taken := 0
		for range count {
			page := randomPage(r, good)
			if format == OpenMetrics && r.IntN(10) > 0 {
				page = append(bytes.TrimRight(page, "\n"), "\n# EOF\n"...)
			}
			compare(t, format, page)
			if readPage(format, NewTable(10), newCollector(), string(page), true) == nil {
				taken++
			}
		}
		if taken < count/50 {
			t.Errorf("of %d pages only %d are good: they test little", count, taken)
		}
	}
}

// TestEveryPrefixIsJudged cuts good pages everywhere: nothing panics, and no number that is cut is taken.
func TestEveryPrefixIsJudged(t *testing.T) {
	text := encode(t, "", allTypes)
	for n := range len(text) {
		c := newCollector()
		err := readPage(Text, NewTable(1000), c, text[:n], false)
		if whole := n == 0 || text[n-1] == '\n'; (err == nil) != whole {
			t.Fatalf("%q is taken: %v", text[max(0, n-30):n], err)
		}
	}
	open := encode(t, "application/openmetrics-text;version=1.0.0", allTypes)
	for n := range len(strings.TrimSuffix(open, "\n")) {
		if readPage(OpenMetrics, NewTable(1000), newCollector(), open[:n], true) == nil {
			t.Fatalf("%q is taken", open[max(0, n-30):n])
		}
	}
}
