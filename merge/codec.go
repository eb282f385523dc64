package merge

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
	"unsafe"
)

// What is saved is made of varints, floats of eight bytes, and strings with their length before them.

func appendUint[T ~uint8 | ~uint64 | ~int](dst []byte, v T) []byte {
	return binary.AppendUvarint(dst, uint64(v))
}

func appendFloat(dst []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

func appendString(dst []byte, s string) []byte {
	return append(appendUint(dst, len(s)), s...)
}

func appendBytes(dst, b []byte) []byte {
	return append(appendUint(dst, len(b)), b...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// littleEndian tells whether numbers are in memory as pages have them.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// bytesOf gives the memory of numbers.
func bytesOf(values []float64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 8*len(values))
}

// appendFloats is the bulk of a page.
func appendFloats(dst []byte, values []float64) []byte {
	if littleEndian {
		return append(dst, bytesOf(values)...)
	}
	for _, v := range values {
		dst = appendFloat(dst, v)
	}
	return dst
}

// appendSlots writes slots as steps: a page's lines mostly have them in order.
func appendSlots(dst []byte, slots []Slot) []byte {
	dst = appendUint(dst, len(slots))
	before := Slot(0)
	for _, slot := range slots {
		dst = binary.AppendVarint(dst, int64(slot-before))
		before = slot
	}
	return dst
}

var errDamaged = errors.New("what is saved of an instance is damaged")

// reader reads what the append functions wrote. Whatever it is given, it allocates no more than a small multiple of
// what there is to read; after the first thing that does not fit everything is zero, and err is set.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail() { r.b, r.err = nil, errDamaged }

// end gives the error; there must be nothing left.
func (r *reader) end() error {
	if len(r.b) > 0 {
		r.fail()
	}
	return r.err
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// below reads a number that must be less than n.
func (r *reader) below(n int) int {
	v := r.uint()
	if v >= uint64(max(n, 0)) {
		r.fail()
		return 0
	}
	return int(v)
}

// count reads how many things follow that take at least size bytes each.
func (r *reader) count(size int) int {
	v := r.uint()
	if v > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(v)
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail()
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) bytes() []byte  { return r.take(r.count(1)) }
func (r *reader) string() string { return string(r.bytes()) }

func (r *reader) bool() bool {
	b := r.take(1)
	return len(b) == 1 && b[0] != 0
}

func (r *reader) float() float64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

func (r *reader) floats(n int) []float64 {
	if n > len(r.b)/8 {
		r.fail()
		return nil
	}
	b, out := r.take(8*n), make([]float64, n)
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return out
}

// slots reads slots that must be less than n.
func (r *reader) slots(n int) []Slot {
	out := make([]Slot, r.count(1))
	before := int64(0)
	for i := range out {
		before += r.int()
		if before < 0 || before >= int64(n) {
			r.fail()
			return nil
		}
		out[i] = Slot(before)
	}
	return out
}

func (r *reader) slot(n int) Slot { return Slot(r.below(n)) }

// time reads a moment of the fold's own clock.
func (r *reader) time(f *Fold) time.Time { return f.epoch.Add(time.Duration(r.int())) }

// appendTime writes a moment by the fold's own clock, which stands still while nobody runs it: it is the time since
// the epoch, by the monotonic clock, and Restore moves the epoch.
func (f *Fold) appendTime(dst []byte, t time.Time) []byte {
	return binary.AppendVarint(dst, int64(f.elapsed(t)))
}

// elapsed is the fold's own clock.
func (f *Fold) elapsed(t time.Time) time.Duration { return t.Sub(f.epoch) }

// see tells the fold's clock what time it is.
func (f *Fold) see(now time.Time) {
	if f.epoch.IsZero() {
		f.epoch = now
	}
	f.asOf = now
}
