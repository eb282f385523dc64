package federator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fedscrape/fedscrape/ledger"
	"github.com/fedscrape/fedscrape/merge"
)

// keepTimeout is how long a page waits for the ledger: a disk that hangs must not take the metrics with it.
const keepTimeout = time.Second

// saveInterval is how often what is not urgent is saved beside the pages: ages, and the names of new lines, which
// every page carries until then.
const saveInterval = time.Minute

var errSlowLedger = errors.New("a write takes longer than 1s")

// keeping is what is to be written of an instance.
type keeping struct {
	batch ledger.Batch
	ahead bool        // of a page that follows
	save  *merge.Save // nil: no records
	ids   map[string][]byte
	// departed are the workers of departed incarnations, by their record's key, as they will be in the ledger.
	departed map[string]json.RawMessage
	head     []byte // of the page, in the instance's buffer, as long as this has the turn
}

// turn waits until an earlier write of the instance has ended, so that an older state never follows a newer one. It
// gives up after keepTimeout, at once where a write hangs already: then the page goes out alone.
func (in *Instance) turn() bool {
	select {
	case in.writing <- struct{}{}:
		return true
	default:
	}
	in.mu.Lock()
	hangs := errors.Is(in.degraded, errSlowLedger)
	in.mu.Unlock()
	if hangs {
		return false
	}
	timer := time.NewTimer(keepTimeout)
	defer timer.Stop()
	select {
	case in.writing <- struct{}{}:
		return true
	case <-timer.C:
		in.mu.Lock()
		defer in.mu.Unlock()
		in.noteLedger("page", errSlowLedger)
		return false
	}
}

// unsaved tells whether records are to be written.
func (in *Instance) unsaved() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.needsRecords() || in.fold.LongTail()
}

// needsRecords tells whether records are to be written before the next page. The first ones are how the ledger knows the instance.
func (in *Instance) needsRecords() bool {
	return in.saved.IsZero() || in.fold.Unsaved() || len(in.folded.unsaved) > 0
}

// collect gathers what a page that was rendered now shows: first of all what departed. With a page, what its workers say is
// on its way to the ledger already.
func (in *Instance) collect(withPage bool, now time.Time) *keeping {
	k := &keeping{}
	if in.needsRecords() {
		in.collectRecords(k, now)
	}
	if withPage {
		head := &pageRecord{headRecord: in.head(now)}
		for _, m := range in.sorted() {
			m.paged = true
			head.Members = append(head.Members, m.record())
		}
		in.headText = head.json(in.headText[:0])
		in.headBuffer = appendHead(in.headBuffer[:0], in.headText, in.fold.AppendHead)
		k.head = in.headBuffer
		in.paged, in.based, in.unpaged = in.counts.pagedCounts, false, 0
	}
	return k
}

func (in *Instance) head(now time.Time) headRecord {
	return headRecord{
		JobName: in.job.Name, Started: in.counts.started, Resets: in.counts.resets, Lost: in.counts.lost,
		Departed: in.departures(), Idle: in.federator.clock.at(in.idle),
		At: in.federator.clock.at(now),
	}
}

// collectRecords gathers the records that changed.
func (in *Instance) collectRecords(k *keeping, now time.Time) {
	in.parted = time.Time{}
	prefix := in.key.prefix()
	put := func(key string, value []byte) {
		if value == nil {
			k.batch.Delete(prefix + key)
		} else {
			k.batch.Put(prefix+key, value)
		}
	}
	k.save = in.fold.Save(now)
	for key, value := range k.save.Put {
		put(foldPrefix+key, value)
	}
	for _, key := range k.save.Delete {
		put(foldPrefix+key, nil)
	}
	k.ids = in.folded.unsaved
	in.folded.unsaved = map[string][]byte{}
	for key, value := range k.ids {
		put(identityPrefix+key, value)
	}
	in.collectDeparted(k, put)
	head := in.head(now)
	if k.ahead { // what present workers did since is counted when the page has it, or once more after a kill
		head.Started, head.Resets = in.paged.started+in.unpaged, in.paged.resets
	}
	put(headKey, mustJSON(head))
	k.batch.Put(clockKey, in.federator.clock.record(now))
}

// collectDeparted gathers the workers that may return. A record stays as long as the fold has the incarnation, also
// while it is present again: an older page does not know that it is. What was seen of it meanwhile is in the record once
// it departs again.
func (in *Instance) collectDeparted(k *keeping, put func(string, []byte)) {
	k.departed = map[string]json.RawMessage{}
	for _, m := range in.departed {
		key, record := memberKey(m.inc), m.record()
		k.departed[key] = record
		if !bytes.Equal(in.savedDeparted[key], record) {
			put(key, record)
		}
	}
	for _, inc := range in.fold.Incarnations() {
		key := memberKey(inc)
		if record, saved := in.savedDeparted[key]; saved && k.departed[key] == nil {
			k.departed[key] = record
		}
	}
	for key := range in.savedDeparted {
		if k.departed[key] == nil {
			put(key, nil)
		}
	}
}

func memberKey(inc *merge.Incarnation) string { return fmt.Sprintf("%s%d", memberPrefix, inc.UID()) }

// keep has a write go on with what is gathered, and waits for it for keepTimeout.
func (in *Instance) keep(w *write, k *keeping) {
	w.rest <- k
	timer := time.NewTimer(keepTimeout)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
		in.mu.Lock()
		defer in.mu.Unlock()
		in.noteLedger("page", errSlowLedger)
	}
}

func (in *Instance) append(k *keeping) error {
	if k.save == nil {
		return nil
	}
	err := in.federator.ledger.Append(&k.batch)
	in.mu.Lock()
	defer in.mu.Unlock()
	if err != nil {
		in.folded.again(k.ids)
		return err
	}
	in.fold.Saved(k.save)
	in.saved, in.savedDeparted = time.Now(), k.departed
	return nil
}

// noteLedger counts an error, and says once when the ledger fails and when it is well again.
func (in *Instance) noteLedger(op string, err error) {
	if err != nil {
		in.federator.metrics.ledgerErrors.WithLabelValues(op).Inc()
	}
	switch {
	case err != nil && in.degraded == nil:
		in.logger.Error("Ledger has an error: pages go out, but what they show is lost if the federator is killed now", "op", op, "err", err)
	case err == nil && in.degraded != nil:
		in.logger.Info("Ledger works again")
	}
	in.degraded = err
}

// saveDue tells whether something may have changed that no page waits for. It says so once an interval. After the last
// worker has left there is no round, unless somebody asks.
func (in *Instance) saveDue(now time.Time) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.saved.IsZero() || now.Sub(in.saved) < saveInterval || now.Sub(in.saveBegun) < saveInterval {
		return false
	}
	if in.last.Before(in.saved) && in.idle.Before(in.saved) {
		return false
	}
	in.saveBegun = now
	return true
}

// saveBeside saves the records while no page waits for it.
func (in *Instance) saveBeside(k *keeping) {
	in.federator.spawn(func() {
		if in.turn() {
			in.saveRecords(k)
		}
	})
}

// saveRecords saves them, and gives back the turn.
func (in *Instance) saveRecords(k *keeping) {
	in.mu.Lock()
	if k.ahead && in.based || in.dropped {
		defer in.mu.Unlock()
		<-in.writing
		return
	}
	in.collectRecords(k, time.Now())
	w := in.beginWrite(false)
	in.mu.Unlock()
	in.keep(w, k)
}

// saveAhead saves records while a round waits for answers, as its page must not come before them: an instance's first ones, and what
// departed workers left, from a fourth of what is enough for a write. After a deploy it is as much as a page has. A kill before the page
// must not find more in the records than it would without: a life that began with a base is in pages alone.
func (in *Instance) saveAhead(others *answers) {
	in.mu.Lock()
	worth := others.left > 0 && in.degraded == nil && (in.saved.IsZero() || in.fold.Unrecorded() >= enough/4)
	in.mu.Unlock()
	if worth && in.turn() {
		in.saveRecords(&keeping{ahead: true})
	}
}

// keepNow makes durable what departed, before somebody is told that it is.
func (in *Instance) keepNow(withPage bool) {
	if !in.turn() {
		return
	}
	in.mu.Lock()
	w := in.beginWrite(withPage)
	if withPage {
		in.say(w)
	}
	k := in.collect(withPage, time.Now())
	in.mu.Unlock()
	in.keep(w, k)
}
