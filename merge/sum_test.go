package merge

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// What addWhole adds is exact, what is exact it adds, and where it does not nothing has changed.
func TestAddWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func() float64 {
		switch v := math.Ldexp(r.Float64()-0.5, r.IntN(120)-60); r.IntN(12) {
		case 0:
			return v
		case 1:
			return []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, 1 << 53}[r.IntN(7)]
		default:
			return math.Floor(v)
		}
	}
	whole := 0
	for range 200_000 {
		s := sum{hi: number()}
		if r.IntN(8) == 0 {
			s.lo = s.hi * 0x1p-60
		}
		v, before := number(), s
		added := s.addWhole(v)
		if !added && (math.Float64bits(s.hi) != math.Float64bits(before.hi) || math.Float64bits(s.lo) != math.Float64bits(before.lo)) {
			t.Fatalf("%v with %v became %v", before, v, s)
		}
		fits := finite(before.hi) && finite(v) && before.lo == 0
		if fits {
			all := new(big.Float).SetPrec(2200).SetFloat64(before.hi)
			_, accuracy := all.Add(all, big.NewFloat(v)).Float64()
			fits = accuracy == big.Exact
		}
		if added != fits {
			t.Fatalf("%v with %v: added is %v, fits is %v", before, v, added, fits)
		}
		if added {
			if before.add(v); before != s {
				t.Fatalf("%v, want %v", s, before)
			}
			whole++
		}
	}
	if whole < 50_000 {
		t.Errorf("only %d were added", whole)
	}
}
