package ledger

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
)

// A bbolt file is a tree of pages, and bbolt follows it without a look back: a flipped bit that makes a circle of it
// has it run for ever, and one in the list of free pages has it write over what counts. So each page is visited here
// first, and must be there once.

const (
	branchPage = 0x01
	leafPage   = 0x02
	freePages  = 0x10

	boltMagic    = 0xED0CDAED
	boltHead     = 16 // of a page
	boltElement  = 16 // of a branch or a leaf
	boltMetaSize = 64 // of what follows the head of a meta page
	bucketFlag   = 0x01
	bucketHead   = 16
	noFreePages  = ^uint64(0)
	maxFreeCount = 0xFFFF
)

// structure is a walk through a file.
type structure struct {
	file     *os.File
	pageSize int64
	end      uint64 // pages from here on were never used
	used     map[uint64]bool
}

// checkStructure tells whether a file is a tree of pages, each in one place. bbolt has looked at its begin.
func checkStructure(path string, pageSize int) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	s := &structure{file: file, pageSize: int64(pageSize), used: map[uint64]bool{0: true, 1: true}}
	root, free, err := s.meta()
	if err == nil {
		err = s.tree(root)
	}
	if err == nil && free != noFreePages {
		err = s.free(free)
	}
	return err
}

func damagedAt(page uint64, what string) error {
	return fmt.Errorf("%w: page %d of it %s", ErrDamaged, page, what)
}

// meta reads the newer of the two pages that say where the tree begins.
func (s *structure) meta() (root, free uint64, err error) {
	var newest, found uint64
	for page := range int64(2) {
		b := make([]byte, boltMetaSize)
		if _, err := s.file.ReadAt(b, page*s.pageSize+boltHead); err != nil {
			return 0, 0, damagedAt(uint64(page), "cannot be read")
		}
		sum := fnv.New64a()
		_, _ = sum.Write(b[:56])
		tx := number(b[48:56])
		if binary.LittleEndian.Uint32(b) != boltMagic || sum.Sum64() != number(b[56:]) || found > 0 && tx < newest {
			continue
		}
		newest, found = tx, found+1
		root, free, s.end = number(b[16:24]), number(b[32:40]), number(b[40:48])
	}
	if found == 0 {
		return 0, 0, damagedAt(0, "does not say where the records are")
	}
	return root, free, nil
}

// page reads a page whole, and notes that it is used.
func (s *structure) page(id uint64, kinds uint16) (data []byte, kind uint16, err error) {
	head := make([]byte, boltHead)
	if id >= s.end {
		return nil, 0, damagedAt(id, "is behind its end")
	}
	if _, err := s.file.ReadAt(head, int64(id)*s.pageSize); err != nil {
		return nil, 0, damagedAt(id, "cannot be read")
	}
	kind, more := binary.LittleEndian.Uint16(head[8:]), uint64(binary.LittleEndian.Uint32(head[12:]))
	if number(head[:8]) != id || kind&kinds == 0 || kind&(kind-1) != 0 || more >= s.end-id {
		return nil, 0, damagedAt(id, "is not what its place asks for")
	}
	for p := id; p <= id+more; p++ {
		if s.used[p] {
			return nil, 0, damagedAt(p, "is in two places")
		}
		s.used[p] = true
	}
	data = make([]byte, (int64(more)+1)*s.pageSize)
	if _, err := s.file.ReadAt(data, int64(id)*s.pageSize); err != nil {
		return nil, 0, damagedAt(id, "cannot be read to its end")
	}
	return data, kind, nil
}

// tree visits a page and what is below it. It goes no deeper than there are pages, as none comes twice.
func (s *structure) tree(id uint64) error {
	todo := []uint64{id}
	for len(todo) > 0 {
		id, todo = todo[len(todo)-1], todo[:len(todo)-1]
		data, kind, err := s.page(id, branchPage|leafPage)
		if err != nil {
			return err
		}
		below, ok := children(data, kind)
		if !ok {
			return damagedAt(id, "ends too early")
		}
		todo = append(todo, below...)
	}
	return nil
}

// children gives the pages below one, and whether all of it lies within its bounds.
func children(data []byte, kind uint16) (below []uint64, ok bool) {
	for i := range int(binary.LittleEndian.Uint16(data[10:])) {
		at := boltHead + i*boltElement
		if at+boltElement > len(data) {
			return nil, false
		}
		element := data[at : at+boltElement]
		if kind == branchPage {
			if !within(data, at, element, binary.LittleEndian.Uint32(element[4:])) {
				return nil, false
			}
			below = append(below, number(element[8:]))
			continue
		}
		if !within(data, at, element[4:], binary.LittleEndian.Uint32(element[8:]), binary.LittleEndian.Uint32(element[12:])) {
			return nil, false
		}
		if binary.LittleEndian.Uint32(element)&bucketFlag == 0 {
			continue
		}
		root, inner := bucketRoot(data, at, element)
		if !inner {
			return nil, false
		}
		if root != 0 { // else the bucket is small, and lies here
			below = append(below, root)
		}
	}
	return below, true
}

// within tells whether key and value, which begin position bytes after their element, end before the page does.
func within(data []byte, at int, position []byte, lengths ...uint32) bool {
	end := uint64(at) + uint64(binary.LittleEndian.Uint32(position)) //nolint:gosec // not negative
	for _, n := range lengths {
		end += uint64(n)
	}
	return end <= uint64(len(data))
}

// bucketRoot is where a bucket begins; ok tells whether a bucket that lies within the page does so.
func bucketRoot(data []byte, at int, element []byte) (root uint64, ok bool) {
	begin := at + int(binary.LittleEndian.Uint32(element[4:])) + int(binary.LittleEndian.Uint32(element[8:]))
	length := int(binary.LittleEndian.Uint32(element[12:]))
	if length < bucketHead {
		return 0, false
	}
	value := data[begin : begin+length]
	if root = number(value[:8]); root != 0 {
		return root, true
	}
	if len(value) < bucketHead+boltHead {
		return 0, false
	}
	inline := value[bucketHead:]
	_, ok = children(inline, leafPage)
	return 0, ok && binary.LittleEndian.Uint16(inline[8:]) == leafPage
}

// free visits the list of free pages: one that is used must not be there.
func (s *structure) free(id uint64) error {
	data, _, err := s.page(id, freePages)
	if err != nil {
		return err
	}
	count, list := uint64(binary.LittleEndian.Uint16(data[10:])), data[boltHead:]
	if count == maxFreeCount {
		count, list = number(list[:8]), list[8:]
	}
	if count > uint64(len(list)/8) {
		return damagedAt(id, "ends too early")
	}
	for i := range count {
		free := number(list[8*i : 8*i+8])
		if free >= s.end || s.used[free] {
			return damagedAt(free, "is free, and used")
		}
		s.used[free] = true
	}
	return nil
}
