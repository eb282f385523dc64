package federator

import (
	"fmt"
	"testing"
	"time"
)

// weight is how many bytes the ledger has.
func (w *world) weight() (n int) {
	w.t.Helper()
	if err := w.ledger.Load("", func(key string, value []byte) error {
		n += len(key) + len(value)
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	_ = w.ledger.LoadPage(instanceKey{"webapp", "web1"}.prefix(), func(page []byte) bool {
		n += len(page)
		return true
	})
	return n
}

// recycledPage is of a worker with a few hundred series.
func recycledPage(v float64) string {
	page := []byte("# TYPE x_total counter\n")
	for i := range 200 {
		page = fmt.Appendf(page, "x_total{i=\"%d\"} %v\n", i, v)
	}
	return string(page)
}

// Ten thousand recycled workers of one instance cost what a few do, whether they say goodbye or are killed, but for
// what is remembered of each for instance_retention, which is bounded in number.
func TestTenThousandRecycledWorkers(t *testing.T) {
	inWorld(t, func(j *Job) { j.ServeEmpty = true }, func(w *world) {
		var early, earlyHeap int
		for i := range 10_000 {
			key := fmt.Sprintf("w%d", i)
			w.register(key, "h:"+key)
			w.at("h:"+key, answer{page: recycledPage(1), id: key, start: float64(100 + i)})
			w.tell()
			if i%50 == 0 { // a page now and then
				w.value("fedscrape_workers{state=up}")
			}
			if i%2 == 0 {
				w.wantHand("", w.hand(key, float64(100+i), recycledPage(2)))
			}
			w.refuse("h:" + key)
			w.deregister(key)
			time.Sleep(5 * time.Second)
			if i == 2000 {
				w.value("fedscrape_workers{state=failed}")
				early, earlyHeap = w.weight()-rememberedBytes(w), int(heap()) //nolint:gosec // less than 2^63
			}
		}
		w.value("fedscrape_workers{state=failed}")
		late, lateHeap := w.weight()-rememberedBytes(w), int(heap()) //nolint:gosec // as above
		t.Logf("ledger %d bytes after 2,000 workers, %d after 10,000, beside %d bytes of identities; heap %d and %d",
			early, late, rememberedBytes(w), earlyHeap, lateHeap)
		if late > early+early/4 {
			t.Errorf("the ledger grew from %d to %d bytes", early, late)
		}
		if lateHeap > earlyHeap+8_000*1500 {
			t.Errorf("memory grew from %d to %d bytes", earlyHeap, lateHeap)
		}
		if n := len(w.federator.all()[0].folded.byKey); n > maxIdentities {
			t.Errorf("%d identities", n)
		}
	})
}

// rememberedBytes are the identities of folded workers.
func rememberedBytes(w *world) (n int) {
	_ = w.ledger.Load(instanceKey{"webapp", "web1"}.prefix()+identityPrefix, func(key string, value []byte) error {
		n += len(key) + len(value)
		return nil
	})
	return n
}
