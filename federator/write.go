package federator

import (
	"time"

	"github.com/fedscrape/fedscrape/ledger"
	"github.com/fedscrape/fedscrape/merge"
)

// write is a write of an instance. Most of a page is what its workers say: that is on its way to the ledger while they answer,
// and while the page is made.
type write struct {
	said  *merge.Said
	parts chan [][]byte // of what is said, closed when all is; it has room
	rest  chan *keeping // gets what else is to be written, once; nil: the write is given up
	done  chan struct{} // closed at the end
}

// newWrite makes a write that is given so many parts before its last one.
func (in *Instance) newWrite(parts int) *write {
	w := &write{parts: make(chan [][]byte, parts+1), rest: make(chan *keeping, 1), done: make(chan struct{})}
	if n := len(in.said); n > 0 {
		w.said, in.said = in.said[n-1], in.said[:n-1]
	} else {
		w.said = &merge.Said{}
	}
	return w
}

// allSaid tells that all is said: it stays as it is until the write is done.
func (w *write) allSaid() {
	w.parts <- w.said.Take(nil)
	close(w.parts)
}

// say has a write go on with what the workers say, where no page is made of it.
func (in *Instance) say(w *write) {
	in.fold.Say(w.said)
	w.allSaid()
}

// beginAhead begins the write of a round's page, before there is anything to say; nil where the ledger is ill, or the federator
// closes. It has no turn: where another write comes in between, the ledger is given the whole page at the end.
func (in *Instance) beginAhead() *write {
	if in.degraded != nil {
		return nil
	}
	w := in.newWrite(len(in.members))
	in.fold.BeginSay(w.said)
	if !in.federator.spawn(func() { in.write(w) }) {
		return nil
	}
	return w
}

// enough bytes are written at once: another goroutine does that, and each time costs to wake it. A test has less.
var enough = 1 << 20

// sayAhead has the round's write go on with what a worker says, which has just answered.
func (in *Instance) sayAhead(m *member) {
	if in.round == nil || in.round.ahead == nil {
		return
	}
	w := in.round.ahead
	if in.fold.SayAhead(w.said, m.inc) && w.said.Waiting() >= enough && len(w.parts) < cap(w.parts)-1 {
		w.parts <- w.said.Take(nil)
	}
}

// takeAhead gives the round's write, to be ended with the turn; nil where there is none, or little of what was said counts still.
func (in *Instance) takeAhead(r *round, keeps bool) *write {
	w := r.ahead
	r.ahead = nil
	if w != nil && (!keeps || !in.fold.SaysOn(w.said)) {
		w.giveUp()
		return nil
	}
	return w
}

// giveUp ends a write that has no turn.
func (w *write) giveUp() {
	if w != nil {
		close(w.parts)
		for range w.parts { // what is not written yet would be in the way of the write that counts
			continue
		}
		w.rest <- nil
	}
}

// beginWrite begins a write, of a page too where withPage is set: then allSaid is to be called. It has the turn, and gives it back
// at its end. Where the federator closes, nothing is written.
func (in *Instance) beginWrite(withPage bool) *write {
	w := in.newWrite(0)
	if !withPage {
		close(w.parts)
	}
	if !in.federator.spawn(func() { in.write(w) }) {
		<-in.writing
		close(w.done)
	}
	return w
}

func (in *Instance) write(w *write) {
	var page ledger.UnfinishedPage
	var took time.Duration
	for parts := range w.parts {
		begun := time.Now()
		if page == nil {
			page = in.federator.ledger.WriteAhead(in.key.prefix(), parts...)
		} else {
			page.Append(parts...)
		}
		took += time.Since(begun)
	}
	k := <-w.rest
	if k != nil {
		in.writeRest(k, page, took)
	} else if page != nil {
		page.Abandon()
	}
	in.endWrite(w, k != nil)
}

// endWrite gives back what the write has.
func (in *Instance) endWrite(w *write, turn bool) {
	w.said.Release()
	in.mu.Lock()
	in.said = append(in.said, w.said)
	in.mu.Unlock()
	if turn {
		<-in.writing
	}
	close(w.done)
}

// writeRest writes the records first, as the page that shows them must not come before them. It took so long already.
func (in *Instance) writeRest(k *keeping, page ledger.UnfinishedPage, took time.Duration) {
	begun := time.Now()
	op, err := "append", in.append(k)
	switch {
	case page == nil:
	case err != nil:
		page.Abandon()
	default:
		if err = page.Finish(k.head); err == nil {
			in.fold.Paged()
		} else {
			op = "page"
		}
	}
	in.federator.metrics.ledgerWrites.Observe((took + time.Since(begun)).Seconds())
	in.mu.Lock()
	defer in.mu.Unlock()
	if k.ahead && err == nil && in.degraded != nil {
		return // the page that could not wait is not there yet
	}
	in.noteLedger(op, err)
}
