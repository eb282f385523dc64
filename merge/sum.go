package merge

import "math"

// sum is an unevaluated hi + lo of two floats: 106 bits, so that the rounded total does not depend on the order in
// which workers are added, and adding and taking away a worker leaves no trace, but for the last of those bits: where values are
// 2^50 times as large as others, and cancel each other out, some 1e-32 of them may stay. The zero value is 0.
type sum struct{ hi, lo float64 }

// add is Knuth's two-sum with the rest carried on. Not-finite values end in hi alone: the rest would be NaN.
func (s *sum) add(v float64) {
	t := s.hi + v
	if t-t != 0 { // infinite, or NaN
		s.hi, s.lo = t, 0
		return
	}
	b := t - s.hi
	e := (s.hi - (t - b)) + (v - b) + s.lo
	s.hi = t + e
	s.lo = e - (s.hi - t)
}

// addExact adds two numbers, and tells whether the result is their sum without a rest, as it is of whole ones: then what
// either added can be taken away again. Of the greater one that difference is exact, so that a rest shows in it.
func addExact(a, b float64) (t float64, exact bool) {
	t = a + b
	return t, t-a == b && t-b == a // false where t is not finite
}

// addWhole adds where nothing is left over, which is a third of the work; else it does nothing, and add is to be called.
func (s *sum) addWhole(v float64) bool {
	t, exact := addExact(s.hi, v)
	if !exact || s.lo != 0 {
		return false
	}
	s.hi = t
	return true
}

func (s *sum) addSum(o sum) {
	s.add(o.hi)
	if o.lo != 0 {
		s.add(o.lo)
	}
}

func (s sum) value() float64 { return s.hi + s.lo }

func (s sum) isZero() bool { return s.hi == 0 && s.lo == 0 }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
