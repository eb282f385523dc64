//go:build amd64 && unix && !purego

package exposition

import (
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// skimPlainly is what skimLines does, step by step.
func skimPlainly(page string, entries []entry, known []known, room int) (taken, read int, values []float64) {
	for ; read < len(entries); read++ {
		k := &known[entries[read]]
		rest := page[taken:]
		if len(k.text) < 16 || len(rest) < len(k.text)+1+plainWindow || !strings.HasPrefix(rest, k.text) {
			break
		}
		line, _, _ := strings.Cut(rest[len(k.text):], "\n")
		if k.slot == commentLine {
			if line != "" {
				break
			}
			taken += len(k.text) + 1
			continue
		}
		number, blank := strings.CutPrefix(line, " ")
		v, err := strconv.ParseFloat(number, 64)
		if k.slot < commentLine || !blank || !skimmable.MatchString(number) || len(number) > mostDigits+1 || err != nil ||
			v == 0 && len(number) > 17 || k.slot >= 0 && len(values) == room {
			break
		}
		if taken += len(k.text) + len(line) + 1; k.slot >= 0 {
			values = append(values, v)
		}
	}
	return taken, read, values
}

// skimmable is what skimLines reads, up to mostDigits.
var skimmable = regexp.MustCompile(`^[0-9]{1,7}(\.[0-9]{1,16})?$`)

// fenced gives memory that nothing can be read behind.
func fenced(t *testing.T, size int) []byte {
	t.Helper()
	page := syscall.Getpagesize()
	size = (size + page - 1) / page * page
	b, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err == nil {
		err = syscall.Mprotect(b[size:], syscall.PROT_NONE)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(b); err != nil {
			t.Error(err)
		}
	})
	return b[:size]
}

// TestSkim holds skimLines against the same step by step, on pages and texts that end where memory does.
func TestSkim(t *testing.T) {
	t.Run("narrow", func(t *testing.T) {
		defer func(has bool) { wide = has }(wide)
		wide = false
		testSkim(t)
	})
	if !wide {
		t.Log("the processor has no AVX2: what compares by it is not tested here")
		return
	}
	t.Run("wide", testSkim)
}

func testSkim(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pages, texts := fenced(t, 64<<10), fenced(t, 64<<10)
	skimmed := 0
	for range 25_000 {
		page, entries, known := skimCase(random, texts)
		body := pages[len(pages)-len(page):]
		copy(body, page)
		filled := random.IntN(2) * random.IntN(4)
		r := &repeat{known: known, filled: filled, values: make([]float64, filled+len(entries)-random.IntN(2)*random.IntN(len(entries)))}
		taken, read := r.skim(body, entries)
		wantTaken, wantRead, want := skimPlainly(page, entries, known, len(r.values)-filled)
		if taken != wantTaken || read != wantRead || r.filled != filled+len(want) {
			t.Fatalf("skims %d bytes, %d lines, %d values; want %d, %d, %d of\n%s", taken, read, r.filled-filled, wantTaken, wantRead, len(want), page)
		}
		for i, v := range want {
			if got := r.values[filled+i]; got != v {
				t.Fatalf("value %d is %v, want %v in\n%s", i, got, v, page)
			}
		}
		skimmed += read
	}
	if skimmed < 100_000 {
		t.Errorf("only %d lines were skimmed", skimmed)
	}
}

// skimCase makes a page, the lines that are expected in it, mostly those that it has, and what is known of them: the last
// text ends where texts do.
func skimCase(random *rand.Rand, texts []byte) (page string, entries []entry, all []known) {
	var b strings.Builder
	for e := range 1 + random.IntN(30) {
		text := strings.Repeat("series{of_a=\"worker\"}"[random.IntN(10):], 1+random.IntN(8)) + strconv.Itoa(e)
		if random.IntN(20) == 0 {
			text = text[:max(1, len(text)-random.IntN(30))]
		}
		slot := Slot(e)
		if random.IntN(6) == 0 {
			slot = []Slot{NoSlot, NoSlot, commentLine, commentLine, commentLine, endLine}[random.IntN(6)]
		}
		all, entries = append(all, known{text: text, slot: slot}), append(entries, entry(e))
		if random.IntN(100) == 0 {
			at := random.IntN(len(text))
			text = text[:at] + "x" + text[at+1:]
		}
		b.WriteString(text)
		b.WriteString(skimTail(random, slot))
	}
	end := texts[len(texts)-len(all[len(all)-1].text):]
	copy(end, all[len(all)-1].text)
	all[len(all)-1].text = view(end)
	page = b.String() + strings.Repeat("p", random.IntN(2)*random.IntN(70))
	return page, entries, all
}

// skimTail is what may follow a text.
func skimTail(random *rand.Rand, slot Slot) string {
	if slot <= commentLine && random.IntN(20) > 0 {
		return "\n"
	}
	number := strconv.Itoa(random.IntN([]int{2, 10, 1000, 10_000_000, 1_000_000_000 / (1 + random.IntN(100)*1000)}[random.IntN(5)]))
	switch random.IntN(60) {
	case 0:
		number = []string{"", ".0", "-1", "+Inf", "NaN", "1.5", "1.00", "1.0 5", "1e3", "0x5", "1.0\r", "12\x00", " 1", "1 ", "9:", "/1"}[random.IntN(16)]
	case 1:
		return "\t" + number + "\n"
	case 2:
		return number + "\n"
	}
	return " " + number + skimFraction(random) + "\n"
}

// skimFraction is what may follow the whole part of a number.
func skimFraction(random *rand.Rand) string {
	switch random.IntN(6) {
	case 0, 1:
		return ""
	case 2, 3:
		return ".0"
	}
	digits := strconv.FormatUint(random.Uint64()>>random.IntN(64), 10) // some end in 5, so that half a bit is left
	zeros := strings.Repeat("0", random.IntN(2)*random.IntN(18))
	return "." + (zeros + digits)[:min(1+random.IntN(18), len(zeros)+len(digits))]
}
