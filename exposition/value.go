package exposition

import (
	"encoding/binary"
	"math"
	"math/bits"
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
	if v, ok := parseDecimal(b); ok {
		return v, true
	}
	if len(b) == 0 || beyondDecimal(b) {
		return 0, false
	}
	v, err := strconv.ParseFloat(view(b), 64)
	return v, err == nil
}

// parseDecimal reads digits with a point among them, as parsePlain does where they end a line: three times as fast as
// strconv.
func parseDecimal(b []byte) (float64, bool) {
	if len(b) >= plainWindow {
		return 0, false
	}
	var window [plainWindow]byte
	window[copy(window[:], b)] = '\n'
	v, n := parsePlain(window[:])
	return v, n == len(b)+1
}

// beyondDecimal tells whether strconv would read a number that Prometheus refuses: hexadecimal, or with underscores.
func beyondDecimal(b []byte) bool {
	for _, c := range b {
		if c == '_' || c|0x20 == 'x' || c|0x20 == 'p' {
			return true
		}
	}
	return false
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

// plainWindow is how many bytes parsePlain looks at, at most.
const plainWindow = 48

// mostDigits is how many decimal digits any integer of 64 bits can have.
const mostDigits = 19

// powers of ten that a float holds exactly.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

var integerPowers = [mostDigits + 1]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// parsePlain reads the numbers that most lines end in: digits, perhaps with a point among them, and a new line. It gives
// how many bytes that are, 0 where it is something else. The value is the one that parseValue gives. b has plainWindow
// bytes.
func parsePlain(b []byte) (v float64, n int) {
	_ = b[plainWindow-1]
	var whole uint64
	word := binary.LittleEndian.Uint64(b) ^ 0x3030303030303030
	if n = digitsOf(word); n < 8 {
		whole = eightDigits(word << (64 - 8*uint(n)))
	} else {
		whole, n = parseDigits(b)
	}
	switch {
	case n == 0:
		return 0, 0
	case b[n] == '\n':
		return float64(whole), n + 1
	case b[n] != '.' || n > 15:
		return 0, 0
	case b[n+1] == '0' && b[n+2] == '\n':
		return float64(whole), n + 3
	}
	part, digits := parseDigits(b[n+1 : plainWindow])
	for b[n+1+digits]-'0' < 10 && digits >= 16 && digits < mostDigits {
		part = part*10 + uint64(b[n+1+digits]-'0')
		digits++
	}
	if digits == 0 || b[n+1+digits] != '\n' || n+digits > mostDigits && whole > 0 {
		return 0, 0
	}
	return quotient(whole*integerPowers[digits]+part, digits), n + digits + 2
}

// divisor is a power of ten that divides 128 bits: shifted up as far as it goes.
type divisor struct {
	high uint64
	// exponent is that of two, as floats have it, that makes up for the shift, and for the 62 bits of a quotient.
	exponent uint64
}

var divisors = func() (d [mostDigits + 1]divisor) {
	for i, power := range integerPowers {
		shift := bits.LeadingZeros64(power)
		d[i] = divisor{power << shift, uint64(1023 - 62 + shift)}
	}
	return d
}()

// quotient is v / 10^digits, rounded once, to even: the float nearest to the decimal.
func quotient(v uint64, digits int) float64 {
	if v < 1<<53 && digits < len(powers) {
		return float64(v) / powers[digits] // both are exact
	}
	if v == 0 {
		return 0
	}
	d, up := &divisors[digits], bits.LeadingZeros64(v)
	v <<= up
	q, rest := bits.Div64(v>>2, v<<62, d.high) // 62 or 63 bits
	if rest > 0 {
		q |= 1 // far below the last bit of a float: what is left decides only where half a bit would
	}
	return float64(int64(q)) * math.Float64frombits((d.exponent-uint64(up))<<52) // the latter never below 2^-190: exact
}

// parseDigits reads up to 16 digits, eight at a time.
func parseDigits(b []byte) (v uint64, n int) {
	word := binary.LittleEndian.Uint64(b) ^ 0x3030303030303030
	if n = digitsOf(word); n < 8 {
		return eightDigits(word << (64 - 8*uint(n))), n
	}
	v = eightDigits(word)
	word = binary.LittleEndian.Uint64(b[8:]) ^ 0x3030303030303030
	n = digitsOf(word)
	return v*integerPowers[n] + eightDigits(word<<(64-8*uint(n))), 8 + n
}

// digitsOf is how many bytes of the word, from the first, are 0 to 9: adding 0x76 sets the high bit of the others. A
// carry can only come from one that is no digit, and goes to those after it.
func digitsOf(word uint64) int {
	return bits.TrailingZeros64(((word+0x7676767676767676)|word)&0x8080808080808080) >> 3
}

// eightDigits is the number that eight bytes from 0 to 9 spell, the first being the lowest: pairs, then fours, then all.
func eightDigits(word uint64) uint64 {
	word = word*10 + word>>8
	return ((word&0x000000FF000000FF)*0x000F424000000064 + (word>>16&0x000000FF000000FF)*0x0000271000000001) >> 32
}
