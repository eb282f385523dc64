package exposition

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// TestPlainNumbers holds the quick way with numbers against strconv, as Prometheus reads them.
func TestPlainNumbers(t *testing.T) {
	check := func(text string) {
		t.Helper()
		b := append([]byte(text+"\n"), bytes.Repeat([]byte{'7'}, plainWindow)...)
		v, n := parsePlain(b)
		if n == 0 {
			return // left to the other way
		}
		want, err := strconv.ParseFloat(text, 64)
		if err != nil || n != len(text)+1 || math.Float64bits(v) != math.Float64bits(want) {
			t.Fatalf("%q is %v, %d bytes; want %v, %v", text, v, n, want, err)
		}
	}
	for _, text := range someNumbers {
		check(text)
	}
	for _, tie := range []string{"562949953421312.0625", "562949953421312.1875", "281474976710656.03125", "281474976710656.09375"} {
		check(tie)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300_000 {
		text := strconv.FormatUint(r.Uint64()>>r.IntN(64), 10)
		if at := r.IntN(len(text) + 6); at < len(text) {
			text = text[:at] + "." + text[at:]
		}
		check(text)
		check(strconv.FormatFloat(r.Float64()*math.Pow10(r.IntN(24)-8), 'f', -1, 64))
		check("0." + strings.Repeat("0", r.IntN(6)) + strconv.FormatUint(r.Uint64()>>r.IntN(64), 10))
		mangled := []byte(text)
		mangled[r.IntN(len(mangled))] = byte(r.IntN(256))
		if bytes.IndexByte(mangled, '\n') < 0 {
			check(string(mangled))
		}
	}
	for _, quick := range []string{"0", "12345678", "1234567890123456", "1.0", "123456.789", "0.5", "0.0012345678901234567", "1234567.123456789012"} {
		if _, n := parsePlain(append([]byte(quick+"\n"), make([]byte, plainWindow)...)); n == 0 {
			t.Errorf("%q is not read the quick way", quick)
		}
	}
}
