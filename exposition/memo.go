package exposition

import "sync/atomic"

// Memo keeps what is constant in a series' lines as they were written last: all but the numbers. Series that are shown
// again and again carry one; its owner gives it to no series of another name or other labels. It is safe for concurrent
// use, and empty where it is zero.
type Memo struct{ kept atomic.Pointer[kept] }

// kept is immutable.
type kept struct {
	enc   Encoding
	text  []byte // of all lines, up to their values
	steps []step
}

// step is one line: what tells it from the series' other lines, and where its text ends.
type step struct {
	suffix, extra string
	bound         float64
	end           int32
}

// memory is how far an encoder is in a series that has a memo.
type memory struct {
	memo   *Memo
	last   *kept // what was written last
	at     int   // the step that comes
	anew   bool  // it does not hold from at on
	making kept  // its buffers are used again for each series
}

// begin turns to a series.
func (m *memory) begin(memo *Memo, enc Encoding) {
	m.finish(enc)
	m.memo, m.at = memo, 0
	if memo == nil {
		return
	}
	m.last = memo.kept.Load()
	if m.anew = m.last == nil || m.last.enc != enc; m.anew {
		m.making.text, m.making.steps = m.making.text[:0], m.making.steps[:0]
	}
}

// recall gives the text of the next line; nil where it has to be made.
func (m *memory) recall(suffix, extra string, bound float64) []byte {
	if m.memo == nil || m.anew {
		return nil
	}
	if m.at < len(m.last.steps) {
		if s := &m.last.steps[m.at]; s.bound == bound && s.suffix == suffix && s.extra == extra {
			m.at++
			return m.last.text[m.begins(m.at-1):s.end]
		}
	}
	m.anew = true
	m.making.steps = append(m.making.steps[:0], m.last.steps[:m.at]...)
	m.making.text = append(m.making.text[:0], m.last.text[:m.begins(m.at)]...)
	return nil
}

func (m *memory) begins(at int) int32 {
	if at == 0 {
		return 0
	}
	return m.last.steps[at-1].end
}

// learn takes the text that recall did not have.
func (m *memory) learn(text []byte, suffix, extra string, bound float64) {
	if m.memo == nil {
		return
	}
	m.making.text = append(m.making.text, text...)
	m.making.steps = append(m.making.steps, step{suffix, extra, bound, int32(len(m.making.text))})
}

// finish keeps what was made of the series that ends.
func (m *memory) finish(enc Encoding) {
	if m.memo != nil && m.anew {
		m.memo.kept.Store(&kept{enc, append([]byte(nil), m.making.text...), append([]step(nil), m.making.steps...)})
	}
	m.memo = nil
}
