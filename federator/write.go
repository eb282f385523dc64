package federator

import (
	"time"

	"github.com/fedscrape/fedscrape/ledger"
)

// write is a write of an instance, which has the turn until it is done. Most of a page is what its workers say: that is on its
// way to the ledger while the page is made.
type write struct {
	all  chan struct{} // closed when all is said
	rest chan *keeping // gets what else is to be written, once
	done chan struct{} // closed at the end
}

// said tells that all is said: it stays as it is until the write is done.
func (w *write) said() { close(w.all) }

// say has a write begin with what the workers say, where no page is made of it.
func (in *Instance) say(w *write) {
	in.fold.Say(&in.said)
	w.said()
}

// beginWrite begins a write, of a page too where withPage is set: then said is to be called. It gives the turn back at its end.
// Where the federator closes, nothing is written.
func (in *Instance) beginWrite(withPage bool) *write {
	w := &write{all: make(chan struct{}), rest: make(chan *keeping, 1), done: make(chan struct{})}
	end := func() { <-in.writing; close(w.done) }
	if !in.federator.spawn(func() {
		defer end()
		in.write(w, withPage)
	}) {
		end()
	}
	return w
}

func (in *Instance) write(w *write, withPage bool) {
	if !withPage {
		in.writeRest(<-w.rest, nil, 0)
		return
	}
	<-w.all
	begun := time.Now()
	page := in.federator.ledger.WriteAhead(in.key.prefix(), in.said.AppendTo(nil)...)
	took := time.Since(begun)
	in.writeRest(<-w.rest, page, took)
	in.said.Release()
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
	in.noteLedger(op, err)
}
