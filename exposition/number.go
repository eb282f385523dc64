package exposition

import (
	"math"
	"strconv"
)

// AppendFloat appends a value: the shortest text that reads back as the same float.
func AppendFloat(dst []byte, v float64) []byte {
	switch {
	case v == math.Trunc(v) && math.Abs(v) < 1e15 && !(v == 0 && math.Signbit(v)):
		return strconv.AppendInt(dst, int64(v), 10)
	case math.IsInf(v, 1):
		return append(dst, "+Inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-Inf"...)
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// AppendBound appends le or quantile in OpenMetrics' canonical form, which Prometheus gives to both: `1.0`, `+Inf`.
func AppendBound(dst []byte, v float64) []byte {
	begin := len(dst)
	if dst = AppendFloat(dst, v); math.IsInf(v, 0) || math.IsNaN(v) {
		return dst
	}
	for _, c := range dst[begin:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}
