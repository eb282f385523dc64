package scraper

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size as Prometheus' configuration writes it: 64MB, where KB and KiB are both 1024 bytes.
type Bytes int64

// byteUnits go from the largest down, so that String takes the largest that divides.
var byteUnits = []struct {
	name string
	size int64
}{{"EB", 1 << 60}, {"PB", 1 << 50}, {"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}}

// ParseBytes reads a size. A number without a unit counts bytes.
func ParseBytes(s string) (Bytes, error) {
	digits := strings.TrimRight(s, "BEGKMPTi")
	size, ok := unitSize(s[len(digits):])
	n, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || strings.Trim(digits, "0123456789.") != "" {
		return 0, fmt.Errorf("unknown size %q (a number and a unit of B, KB, MB, GB, TB, such as 64MB)", s)
	}
	if n *= float64(size); n >= math.MaxInt64 {
		return 0, fmt.Errorf("size %q is too large", s)
	}
	return Bytes(n), nil
}

func unitSize(name string) (int64, bool) {
	if name == "" {
		return 1, true
	}
	for _, u := range byteUnits {
		if name == u.name || u.size > 1 && name == u.name[:1]+"iB" {
			return u.size, true
		}
	}
	return 0, false
}

// String gives the size in the largest unit that needs no fraction.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return "0"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBytes(string(text))
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }
