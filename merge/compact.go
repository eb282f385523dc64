package merge

// freedSlot is a slot that is nobody's line any more.
type freedSlot struct {
	slot  Slot
	pages uint64 // how many pages were safe when it was freed
}

// restPages is how many pages must be safe before a freed slot becomes another line.
const restPages = 4

// freeSlot gives a slot that nobody names, a new one where there is none.
func (f *Fold) freeSlot() Slot {
	if len(f.freed) > 0 && f.pages >= f.freed[0].pages+restPages {
		slot := f.freed[0].slot
		f.freed = f.freed[1:]
		return slot
	}
	f.appendLine(line{})
	return Slot(len(f.lines) - 1)
}
