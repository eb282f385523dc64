package merge

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/exposition"
)

// savedFold is a fold with all that can be saved, and what it showed.
func savedFold(full bool) (d *disk, shown string) {
	f := New(lawOptions())
	d = &disk{}
	var p []sample
	for m := ModeAll; m < ModeOmit; m++ {
		p = append(p, sample{id: gaugeID("g_" + m.String()), v: float64(m)})
	}
	p = append(p, sample{id: counter("c_total", "k", "a"), v: 5}, sample{id: id(exposition.Counter, "c_total", exposition.PartCreated, 0, "k", "a"), v: 7},
		sample{id: gaugeID("t"), v: 1, ts: 5}, sample{id: gaugeID(hintFamily, "metric", "hinted", "mode", "sum"), v: 1}, sample{id: gaugeID("hinted"), v: 3},
		sample{id: id(exposition.Unknown, "c_total", exposition.PartValue, 0, "k", "b"), v: 5},
		sample{id: id(exposition.Summary, "s", exposition.PartSum, 0), v: math.NaN()}, sample{id: id(exposition.Summary, "s", exposition.PartCount, 0), v: 1},
		sample{id: id(exposition.Summary, "s", exposition.PartQuantile, 0.5), v: 1})
	p = append(p, hist("h", 1.5, 1, 2, 5, 3, inf, 4)...)
	for i, name := range []string{"a", "b", "c", "d"} {
		inc := add(f, name)
		st := inc.Stage()
		st.Meta("c_total", exposition.Counter, "Help.", "")
		f.Commit(st, t0)
		page(f, inc, t0, p...)
		page(f, inc, t0.Add(time.Second), append(slices.Clone(p[:len(p)-i]), sample{id: counter("c_total", "k", "a"), v: 2})...)
		page(f, inc, t0.Add(time.Second), append(slices.Clone(p[3+i:]), hist("h", 1, 2, 1, inf, 2)...)...)
	}
	list := f.Incarnations()
	f.Depart(list[0], t0.Add(time.Minute), true)
	f.Depart(list[1], t0.Add(time.Minute), false)
	f.Depart(list[2], t0.Add(time.Minute), false)
	f.Return(list[2])
	shown = show(f, t0.Add(time.Minute))
	d.save(f, t0.Add(time.Minute), full)
	d.page(f)
	return d, shown
}

// pack makes one input of records and page.
func pack(records map[string][]byte, page []byte) (out []byte) {
	for _, key := range slices.Sorted(maps.Keys(records)) {
		out = append(out, byte(len(key)))
		out = append(out, key...)
		out = binary.LittleEndian.AppendUint16(out, uint16(len(records[key])))
		out = append(out, records[key]...)
	}
	return append(append(out, 0), page...)
}

func unpack(in []byte) (records map[string][]byte, page []byte) {
	records = map[string][]byte{}
	for len(in) > 0 {
		n := int(in[0])
		if in = in[1:]; n == 0 {
			return records, in
		}
		if n+2 > len(in) {
			break
		}
		key, size := string(in[:n]), int(binary.LittleEndian.Uint16(in[n:]))
		in = in[n+2:]
		size = min(size, len(in))
		records[key], in = in[:size], in[size:]
	}
	return records, nil
}

// exercise does with a fold what may be done with any.
func exercise(f *Fold) {
	for range 2 {
		f.Families(t0)
		f.Conflicts()
		appendPage(f, nil)
		f.Saved(f.Save(t0))
		for i, inc := range f.Incarnations() {
			if !inc.Present() {
				f.Return(inc)
			} else if i%2 == 0 {
				f.Depart(inc, t0, i%4 == 0)
			}
		}
		page(f, add(f, "new"), t0, x1(1), sample{id: counter("c_total", "k", "a"), v: 2})
		f.fewFreed = 1
		f.Compact(t0.Add(48 * time.Hour))
	}
	f.Forget(t0)
	f.Families(t0)
}

// FuzzRestore reads anything: an error or a fold, never a panic, and no more memory than there is to read. What is
// whole is what it was.
func FuzzRestore(f *testing.F) {
	for _, full := range []bool{false, true} {
		d, _ := savedFold(full)
		f.Add(pack(d.records, d.newest()))
		f.Add(pack(d.records, nil))
		f.Add(pack(nil, d.newest()))
	}
	d, shown := savedFold(false)
	whole := pack(d.records, d.newest())
	f.Fuzz(func(t *testing.T, in []byte) {
		records, page := unpack(in)
		fold, err := Restore(lawOptions(), records, page, t0.Add(time.Minute))
		if err != nil {
			return
		}
		if got := show(fold, t0.Add(time.Minute)); bytes.Equal(in, whole) && got != shown {
			t.Errorf("restored:\n%s\nwant\n%s", got, shown)
		}
		exercise(fold)
	})
}

// TestRestoreOfFlippedBytes flips each byte, and ends after each: what is left is an error or a fold.
func TestRestoreOfFlippedBytes(t *testing.T) {
	for _, full := range []bool{false, true} {
		d, shown := savedFold(full)
		if got := show(restored(t, lawOptions(), d, t0), t0); got != shown {
			t.Fatalf("restored:\n%s\nwant\n%s", got, shown)
		}
		folds, in := 0, pack(d.records, d.newest())
		step, tries := 1, 0
		if slow {
			step = 7
		}
		for i := 0; i < len(in); i += step {
			for _, flip := range []byte{1, 0xff} {
				in[i] ^= flip
				folds += restoreAny(in)
				in[i] ^= flip
			}
			folds += restoreAny(in[:i])
			tries += 3
		}
		t.Logf("%d bytes: of %d times %d a fold, else an error", len(in), tries, folds)
		if folds == 0 || folds == tries {
			t.Error("this cannot be")
		}
	}
}

func restoreAny(in []byte) int {
	records, page := unpack(in)
	f, err := Restore(lawOptions(), records, page, t0)
	if err != nil {
		return 0
	}
	exercise(f)
	return 1
}
