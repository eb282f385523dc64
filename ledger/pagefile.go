package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
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

// partsOfPage gives a page as it is in its file: magic, lengths, numbers and key; the page; the checksum of both.
func partsOfPage(key string, v version, page [][]byte) [][]byte {
	dst := make([]byte, 0, pageHead+len(key)+4)
	dst = append(dst, pageMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(key))) //nolint:gosec // keys are short
	dst = binary.LittleEndian.AppendUint64(dst, uint64(sizeOf(page)))
	dst = binary.LittleEndian.AppendUint64(dst, v.seq)
	dst = binary.LittleEndian.AppendUint64(dst, v.appended)
	dst = append(dst, key...)
	sum := crc32.Checksum(dst, castagnoli)
	for _, part := range page {
		sum = crc32.Update(sum, castagnoli, part)
	}
	end := binary.LittleEndian.AppendUint32(dst, sum)
	return append(append([][]byte{dst}, page...), end[len(dst):])
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
