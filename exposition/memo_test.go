package exposition

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// randomFamilies is a page in which everything may change from round to round but names and labels.
func randomFamilies(r *rand.Rand, memos map[string]*Memo) []Family {
	var out []Family
	for _, typ := range []Type{Counter, Gauge, Histogram, GaugeHistogram, Summary, Info, StateSet, Unknown} {
		for i, name := range []string{"x_" + typ.String(), "dotted.name " + typ.String(), typ.String() + "_total"} {
			if typ == Info && i == 0 {
				name += "_info"
			}
			f := Family{Name: name, Type: typ, Help: "Some \"help\"\n."}
			for _, v := range []string{"a", "b\"\\\n", "c"} {
				if r.IntN(5) == 0 {
					continue
				}
				key := name + "\x00" + v
				if memos[key] == nil {
					memos[key] = &Memo{}
				}
				f.Series = append(f.Series, randomSeries(r, memos[key], v))
			}
			out = append(out, f)
		}
	}
	return out
}

func randomSeries(r *rand.Rand, memo *Memo, value string) Series {
	s := Series{Labels: Labels{{"dotted.label", value}, {"k", value}}, Value: float64(r.IntN(100)), Memo: memo}
	for _, b := range []float64{0.1, 1, 2.5, 10} {
		if r.IntN(4) > 0 {
			s.Buckets = append(s.Buckets, Bucket{UpperBound: b, Count: float64(r.IntN(9))})
		}
		if r.IntN(4) > 0 {
			s.Quantiles = append(s.Quantiles, Quantile{Quantile: b / 10, Value: float64(r.IntN(9))})
		}
	}
	if r.IntN(3) == 0 && len(s.Buckets) > 0 {
		s.Buckets[0].Exemplar = &Exemplar{Labels: Labels{{"trace_id", strconv.Itoa(r.IntN(9))}}, Value: 0.5, Timestamp: 1.5}
		s.Exemplar = s.Buckets[0].Exemplar
	}
	s.HasSum, s.HasCount = r.IntN(4) > 0, r.IntN(4) > 0
	if r.IntN(2) == 0 {
		s.Start = 1.6e9
	}
	return s
}

var someAccepts = []string{
	"text/plain;version=0.0.4", "text/plain;version=1.0.0;escaping=allow-utf-8", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
	"application/openmetrics-text;version=1.0.0;escaping=dots", "application/openmetrics-text;version=0.0.1",
}

// TestMemoChangesNothing holds pages of series that carry what was written last against pages of series that do not.
func TestMemoChangesNothing(t *testing.T) {
	for seed := range uint64(200) {
		r, memos := rand.New(rand.NewPCG(seed, 3)), map[string]*Memo{}
		for round := range 6 {
			enc := Negotiate(someAccepts[r.IntN(len(someAccepts))])
			families := randomFamilies(r, memos)
			var with, without strings.Builder
			errWith := Encode(&with, enc, families)
			for i := range families {
				families[i].Series = slices.Clone(families[i].Series)
				for at := range families[i].Series {
					families[i].Series[at].Memo = nil
				}
			}
			errWithout := Encode(&without, enc, families)
			if errWith != nil || errWithout != nil || with.String() != without.String() {
				t.Fatalf("seed %d, round %d, %s: %v, %v\n%s\nwithout:\n%s", seed, round, enc.ContentType(), errWith, errWithout, with.String(), without.String())
			}
		}
	}
}

// TestMemoIsShared: one page goes out in several formats at once.
func TestMemoIsShared(t *testing.T) {
	families := randomFamilies(rand.New(rand.NewPCG(1, 1)), map[string]*Memo{})
	var group sync.WaitGroup
	for _, accept := range someAccepts {
		want := ""
		for range 2 {
			group.Go(func() {
				for range 20 {
					var b strings.Builder
					if err := Encode(&b, Negotiate(accept), families); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var b strings.Builder
		if err := Encode(&b, Negotiate(accept), families); err != nil || b.String() == want {
			t.Error(err)
		}
	}
	group.Wait()
}

// broken takes so many bytes, and no more.
type broken struct{ room int }

func (w *broken) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// TestBrokenReaderLeavesNothing: what one who goes away in the middle of a page was to get is in nobody else's.
func TestBrokenReaderLeavesNothing(t *testing.T) {
	long := Family{Name: "long_total", Type: Counter}
	for i := range 10_000 {
		long.Series = append(long.Series, Series{Labels: Labels{{"i", strconv.Itoa(i)}}, Value: 1})
	}
	enc := Negotiate(someAccepts[0])
	for room := 0; room < 3*flushAt; room += flushAt / 2 {
		if err := Encode(&broken{room}, enc, []Family{long}); !errors.Is(err, io.ErrClosedPipe) {
			t.Fatalf("room for %d: %v", room, err)
		}
		var b strings.Builder
		if err := Encode(&b, enc, []Family{{Name: "x", Type: Gauge, Series: []Series{{Value: 1}}}}); err != nil || b.String() != "# TYPE x gauge\nx 1\n" {
			t.Fatalf("room for %d: %v, %.200q", room, err, b.String())
		}
	}
}

// TestMemoSavesWork: a page that is written again makes no text anew.
func TestMemoSavesWork(t *testing.T) {
	families := randomFamilies(rand.New(rand.NewPCG(1, 1)), map[string]*Memo{})
	enc := Negotiate(someAccepts[0])
	write := func() {
		if err := Encode(&strings.Builder{}, enc, families); err != nil {
			t.Fatal(err)
		}
	}
	write()
	before := make([]*kept, 0, len(families))
	each := func(see func(*kept)) {
		for _, f := range families {
			for _, s := range f.Series {
				see(s.Memo.kept.Load())
			}
		}
	}
	each(func(k *kept) { before = append(before, k) })
	write()
	i := 0
	each(func(k *kept) {
		if k != before[i] {
			t.Errorf("series %d was made anew", i)
		}
		i++
	})
}
