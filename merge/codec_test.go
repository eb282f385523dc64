package merge

import (
	"bytes"
	"math"
	"testing"
)

// Many numbers at once are what one after another is, whatever their bytes.
func TestAppendFloats(t *testing.T) {
	values := []float64{0, math.Copysign(0, -1), 1, -2.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(-1), math.NaN()}
	want := []byte("head")
	for _, v := range values {
		want = appendFloat(want, v)
	}
	if got := appendFloats([]byte("head"), values); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	if got := appendFloats(nil, nil); len(got) > 0 {
		t.Errorf("% x of nothing", got)
	}
}
