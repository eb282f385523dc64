package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"slices"
)

const (
	pageMagic = "fscpage\x01" // the last byte is the format version
	pageHead  = len(pageMagic) + 4 + 8 + 8 + 8
)

// version is one slot's page.
type version struct {
	slot int
	seq  uint64 // the higher the newer
	// appended is how many batches the records had: a page says nothing without those that came before it.
	appended uint64
	page     []byte
}

// pageFile is a page as it is in its file: magic, lengths, numbers and key; the page; the checksum of both.
type pageFile struct {
	head []byte
	page [][]byte
}

func newPageFile(key string, v version, page [][]byte) pageFile {
	dst := make([]byte, 0, pageHead+len(key))
	dst = append(dst, pageMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(key))) //nolint:gosec // keys are short
	dst = binary.LittleEndian.AppendUint64(dst, uint64(sizeOf(page)))
	dst = binary.LittleEndian.AppendUint64(dst, v.seq)
	dst = binary.LittleEndian.AppendUint64(dst, v.appended)
	return pageFile{append(dst, key...), page}
}

func (f pageFile) size() int { return len(f.head) + sizeOf(f.page) + crc32.Size }

// atOnce is how much is read for the checksum before it is written: it is in the processor's cache still.
const atOnce = 128 << 10

// parts gives what is to be written, piece by piece.
func (f pageFile) parts() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		sum := crc32.Checksum(f.head, castagnoli)
		if !yield(f.head) {
			return
		}
		for _, part := range f.page {
			for piece := range slices.Chunk(part, atOnce) {
				sum = crc32.Update(sum, castagnoli, piece)
				if !yield(piece) {
					return
				}
			}
		}
		yield(binary.LittleEndian.AppendUint32(nil, sum))
	}
}

func sizeOf(parts [][]byte) (n int) {
	for _, part := range parts {
		n += len(part)
	}
	return n
}

// decodePage is the way back. The file may be longer than the page: an older one was.
func decodePage(key string, data []byte) (v version, err error) {
	if len(data) < pageHead || !bytes.HasPrefix(data, []byte(pageMagic)) {
		return v, fmt.Errorf("%w: it is no page of this format", ErrDamaged)
	}
	keyLength, pageLength := uint64(binary.LittleEndian.Uint32(data[8:])), binary.LittleEndian.Uint64(data[12:])
	v.seq, v.appended = binary.LittleEndian.Uint64(data[20:]), binary.LittleEndian.Uint64(data[28:])
	rest := uint64(len(data) - pageHead) //nolint:gosec // not negative
	if keyLength > rest || pageLength > rest-keyLength || rest-keyLength-pageLength < 4 {
		return v, fmt.Errorf("%w: it ends too early", ErrDamaged)
	}
	begin := uint64(pageHead) + keyLength
	end := begin + pageLength
	if crc32.Checksum(data[:end], castagnoli) != binary.LittleEndian.Uint32(data[end:]) {
		return v, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	if string(data[pageHead:begin]) != key || v.seq == 0 {
		return v, fmt.Errorf("%w: it is of another key", ErrDamaged)
	}
	v.page = data[begin:end]
	return v, nil
}
