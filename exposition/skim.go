package exposition

import "unsafe"

// skimming is what skimLines reads and gives.
type skimming struct {
	page    *byte // size bytes
	size    int
	entries *entry // so many lines are expected
	lines   int
	known   *known
	values  *float64 // where there is room for so many
	room    int

	taken  int // bytes
	read   int // lines
	filled int // values
}

// skim reads lines from the one that is expected now, as long as they are where they are expected and end as most do. It
// gives how many bytes and lines they have. What it does not read is left to whole.
func (r *repeat) skim(piece []byte, entries []entry) (taken, read int) {
	s := skimming{
		page: unsafe.SliceData(piece), size: len(piece), entries: unsafe.SliceData(entries), lines: len(entries),
		known: unsafe.SliceData(r.known), values: unsafe.SliceData(r.values[r.filled:]), room: len(r.values) - r.filled,
	}
	skimLines(&s)
	r.filled += s.filled
	return s.taken, s.read
}
