package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// A page in its file: the head, which is magic, checksum, lengths and numbers; the key; the page's last part, and its first
// part. The last part is written when the first is perhaps not known yet, and head and key at the end: until then there is no
// page, as what an older one left there is cleared first. The checksum is that of all that comes after it, from the last part on
// and around to the key.
const (
	pageMagic = "fscpage" + string(rune(formatVersion))
	pageHead  = len(pageMagic) + crc32.Size + 4 + 8 + 8 + 8 + 8
	sumAt     = len(pageMagic)
	summedAt  = sumAt + crc32.Size
)

// version is one slot's page.
type version struct {
	slot int
	seq  uint64 // the higher the newer
	// appended is how many batches the records had: a page says nothing without those that came before it.
	appended uint64
	page     []byte
}

// pageFile is a file on its way.
type pageFile struct {
	file file
	key  string
	at   int64  // the end of what is written
	last int    // bytes of the page's last part
	sum  uint32 // of what is written, and gathered

	gathered [][]byte // pieces that are to be written
	size     int      // of them
}

// begin writes the last part, or its beginning, and a head that says that there is no page yet.
func (f *pageFile) begin(last [][]byte) error {
	if err := f.gather(make([]byte, pageHead+len(f.key)), false); err != nil {
		return err
	}
	return f.append(last)
}

// append adds to the last part.
func (f *pageFile) append(last [][]byte) error {
	size := sizeOf(last)
	f.last += size
	return f.write(last, tearAt(size))
}

// end writes the first part, and then all that makes it a page.
func (f *pageFile) end(v version, first [][]byte) error {
	if err := f.write(first, -1); err != nil {
		return err
	}
	step("page.headless")
	_, err := f.file.writeAt(0, f.head(v, sizeOf(first)))
	return err
}

func (f *pageFile) head(v version, first int) []byte {
	dst := make([]byte, summedAt, pageHead+len(f.key))
	copy(dst, pageMagic)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(f.key)))                //nolint:gosec // keys are short
	for _, n := range []uint64{uint64(f.last), uint64(first), v.seq, v.appended} { //nolint:gosec // not negative
		dst = binary.LittleEndian.AppendUint64(dst, n)
	}
	dst = append(dst, f.key...)
	binary.LittleEndian.PutUint32(dst[sumAt:], crc32.Update(f.sum, castagnoli, dst[summedAt:]))
	return dst
}

// atOnce is how much is read for the checksum before it is written: it is in the processor's cache still. manyParts are how many
// parts that may be.
const (
	atOnce    = 128 << 10
	manyParts = 64
)

// write writes parts one after another, and stops after tear bytes for the test that dies there.
func (f *pageFile) write(parts [][]byte, tear int) error {
	for _, part := range parts {
		for piece := range slices.Chunk(part, atOnce) {
			f.sum = crc32.Update(f.sum, castagnoli, piece)
			if tear >= 0 && tear < len(piece) {
				if err := f.gather(piece[:tear], true); err != nil {
					return err
				}
				step("page.torn")
				piece = piece[tear:]
			}
			tear -= len(piece)
			if err := f.gather(piece, false); err != nil {
				return err
			}
		}
	}
	return f.gather(nil, true)
}

// gather writes a piece, now or with those that come.
func (f *pageFile) gather(piece []byte, now bool) error {
	if len(piece) > 0 {
		f.gathered, f.size = append(f.gathered, piece), f.size+len(piece)
	}
	if !now && f.size < atOnce && len(f.gathered) < manyParts {
		return nil
	}
	n, err := f.file.writeAt(f.at, f.gathered...)
	f.at += int64(n)
	clear(f.gathered)
	f.gathered, f.size = f.gathered[:0], 0
	return err
}

func sizeOf(parts [][]byte) (n int) {
	for _, part := range parts {
		n += len(part)
	}
	return n
}

// unfinished tells whether a file has a page that was begun and not finished: its process was ended meanwhile.
func unfinished(data []byte) bool {
	head := data[:min(len(data), pageHead)]
	return len(bytes.Trim(head, "\x00")) == 0
}

// decodePage is the way back. The file may be longer than the page: an older one was.
func decodePage(key string, data []byte) (v version, err error) {
	if len(data) < pageHead || !bytes.HasPrefix(data, []byte(pageMagic)) {
		return v, fmt.Errorf("%w: it is no page of this format", ErrDamaged)
	}
	keyLength, last, first := uint64(binary.LittleEndian.Uint32(data[summedAt:])), number(data[16:24]), number(data[24:32])
	v.seq, v.appended = number(data[32:40]), number(data[40:48])
	rest := uint64(len(data) - pageHead) //nolint:gosec // not negative
	if keyLength > rest || last > rest-keyLength || first > rest-keyLength-last {
		return v, fmt.Errorf("%w: it ends too early", ErrDamaged)
	}
	begin := uint64(pageHead) + keyLength
	middle, end := begin+last, begin+last+first
	sum := crc32.Update(crc32.Checksum(data[begin:end], castagnoli), castagnoli, data[summedAt:begin])
	if sum != binary.LittleEndian.Uint32(data[sumAt:]) {
		return v, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	if string(data[pageHead:begin]) != key || v.seq == 0 {
		return v, fmt.Errorf("%w: it is of another key", ErrDamaged)
	}
	v.page = slices.Concat(data[middle:end], data[begin:middle])
	return v, nil
}
