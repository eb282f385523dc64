package merge

import "github.com/fedscrape/fedscrape/exposition"

// markedFamily is a family, and one of its lines.
type markedFamily struct {
	*family
	slot Slot
}

// appendFamilyMarks names families by one of their lines.
func (f *Fold) appendFamilyMarks(dst []byte) []byte {
	for _, fam := range f.markedFamilies {
		if !fam.decided && !fam.notInfo {
			continue
		}
		dst = appendUint(dst, int(fam.slot)+1)
		dst = append(dst, byte(fam.winner))
		dst = appendBool(appendBool(dst, fam.decided), fam.notInfo)
		if fam.notInfo {
			dst = f.appendTime(dst, fam.oddAt)
		}
	}
	return append(dst, 0)
}

func (fam *family) anySlot() Slot {
	for typ := range exposition.StateSet + 1 {
		if v := fam.variants[typ]; v != nil && len(v.series) > 0 {
			return v.series[0].first()
		}
	}
	return noSlot
}

// first gives one of the series' slots, always the same as long as it has it.
func (s *series) first() Slot {
	switch {
	case s.value != noSlot:
		return s.value
	case s.count != noSlot:
		return s.count
	case s.sum != noSlot:
		return s.sum
	case len(s.buckets) > 0:
		return s.buckets[0].slot
	case len(s.quantiles) > 0:
		return s.quantiles[0].slot
	}
	return s.created
}

func (f *Fold) readFamilyMarks(r *reader) {
	for {
		slot := r.below(len(f.lines) + 1)
		if slot == 0 {
			return
		}
		fam := f.lines[slot-1].variant.family
		fam.winner = exposition.Type(r.below(int(exposition.StateSet) + 1))
		if fam.decided, fam.notInfo = r.bool(), r.bool(); fam.notInfo {
			fam.oddAt = r.time(f)
		}
	}
}
