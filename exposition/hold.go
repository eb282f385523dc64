package exposition

// holding is how a page has its table while it reads a piece: it sees what is known, and holds the table alone as long as there
// are lines to learn. Of workers that are asked for the first time, all at once, so one learns a line, and the others find it. A
// lock taken for each line would wait each time for all who learn.
type holding struct {
	alone bool
	known int // lines in a row that did not have to be learnt
	// refused says that the sink has refused a line, as it will again in the next page: such lines are read in full
	// without keeping others from learning.
	refused bool
	scratch *scratch // until letGo; nil: not needed yet
}

// calmLines is after how many known lines a page lets others learn.
const calmLines = 32

// hold has the page see what is known by now.
func (p *Page) hold() { p.index = p.table.index.Load() }

// letGo ends that, after a piece.
func (p *Page) letGo() {
	if p.holding.scratch != nil {
		scratches.Put(p.holding.scratch)
		p.holding.scratch = nil
	}
	if p.holding.alone {
		p.holding.alone = false
		p.table.mu.Unlock()
	}
}

// alone is for what has to be learnt. It tells whether another page may have learnt it meanwhile.
func (p *Page) alone() bool { return !p.holding.refused && p.holdAlone() }

// holdAlone makes the table this page's own until calmDown or letGo. It tells whether others may have changed it meanwhile.
func (p *Page) holdAlone() bool {
	p.holding.known = 0
	if p.holding.alone {
		return false
	}
	p.table.mu.Lock()
	p.holding.alone = true
	return true
}

// find gives the entry of a text, also where others have learnt it meanwhile and the page's index was full.
func (p *Page) find(c context, text []byte) (entry, bool) {
	e, ok := p.index.find(c, text)
	if now := p.table.index.Load(); !ok && now != p.index {
		p.index = now
		e, ok = now.find(c, text)
	}
	return e, ok
}

// calmDown lets others learn where lines have been known for a while.
func (p *Page) calmDown() {
	if !p.holding.alone {
		return
	}
	if p.holding.known++; p.holding.known > calmLines {
		p.letGo()
	}
}
