package exposition

import (
	"strconv"
	"strings"
	"testing"
)

func TestMemo(t *testing.T) {
	asked := 0
	upper := func(text string) string { asked++; return strings.ToUpper(text) }
	var m memo[string]
	f := func(text string, wantAsked int) {
		t.Helper()
		if got := m.get(text, upper); got != strings.ToUpper(text) || asked != wantAsked {
			t.Errorf("get(%.10q) = %.10q after the function was asked %d times, want %d", text, got, asked, wantAsked)
		}
	}
	f("a", 1)
	f("b", 2)
	f("a", 2) // kept beside others
	f("", 3)
	f("", 3)
	long := strings.Repeat("x", maxMemoText+1)
	f(long, 4)
	f(long, 5) // too long to be kept
	for i := range 10 * maxMemo {
		m.get(strconv.Itoa(i), upper)
	}
	if len(m.made) > maxMemo {
		t.Errorf("%d texts are kept, want at most %d", len(m.made), maxMemo)
	}
	f("a", asked+1)
	f("a", asked)
}

// BenchmarkFormatOf is of the header that most workers send.
func BenchmarkFormatOf(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		FormatOf("text/plain; version=0.0.4; charset=utf-8")
	}
}

// BenchmarkNegotiate is of the header that Prometheus sends.
func BenchmarkNegotiate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Negotiate("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5," +
			"application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1")
	}
}
