package exposition

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"
)

// view reads bytes as a string without a copy. The string must not be kept: the bytes are a buffer that is used again.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// parseValue reads a sample's value as Prometheus does: decimal, without underscores, exact.
func parseValue(b []byte) (float64, bool) {
	if v, ok := parseInteger(b); ok {
		return v, true
	}
	if len(b) == 0 || bytes.ContainsAny(b, "pPxX_") {
		return 0, false
	}
	v, err := strconv.ParseFloat(view(b), 64)
	return v, err == nil
}

// parseInteger reads up to 15 digits, and the `.0` that client_python adds; every such number is exact.
func parseInteger(b []byte) (float64, bool) {
	if n := len(b); n > 2 && b[n-1] == '0' && b[n-2] == '.' {
		b = b[:n-2]
	}
	if len(b) == 0 || len(b) > 15 {
		return 0, false
	}
	v := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	return float64(v), true
}

// parseMilliseconds reads a text timestamp, which has no sign in Prometheus' parser.
func parseMilliseconds(b []byte) (int64, bool) {
	if len(b) == 0 || b[0] < '0' || b[0] > '9' {
		return 0, false
	}
	v, err := strconv.ParseInt(view(b), 10, 64)
	return v, err == nil
}

// parseSeconds reads an OpenMetrics timestamp, in seconds, into milliseconds.
func parseSeconds(b []byte) (int64, bool) {
	v, ok := parseValue(b)
	if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	return int64(v * 1000), true
}
