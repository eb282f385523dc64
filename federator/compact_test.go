package federator

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// page with labels that are never seen again, as request IDs in labels are.
func churning(n int) string {
	page := []byte("# TYPE x_total counter\nx_total 1\n# TYPE g gauge\n")
	for i := range 200 {
		page = fmt.Appendf(page, "g{id=\"%d-%d\"} 1\n", n, i)
	}
	return string(page)
}

// Labels that come and go cost no memory for ever, and no page is read with slots that are another line's now.
func TestChurnOfLabels(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "h:1")
		w.register("w2", "h:2")
		w.at("h:2", answer{page: counter(5, 0)})
		w.tell()
		var early, late uint64
		for i := range 600 {
			w.at("h:1", answer{page: churning(i)})
			w.want("x_total", "6")
			w.want(fmt.Sprintf("g{id=%d-7}{worker_id=1}", i), "1")
			time.Sleep(30 * time.Second)
			if i == 100 {
				early = heap()
			}
		}
		if late = heap(); late > early+early/2+(2<<20) {
			t.Errorf("memory grew from %d to %d bytes over 100,000 label sets", early, late)
		}
	})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A page that was begun before lines were let go, and has them again, is not taken for others' lines.
func TestStalePage(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "h:1")
		w.register("w2", "h:2")
		w.at("h:2", answer{page: counter(5, 0)})
		w.at("h:1", answer{page: churning(1)})
		w.tell()
		w.want("x_total", "6")
		w.at("h:1", answer{page: churning(2)})
		w.want("x_total", "6")
		time.Sleep(compactInterval + time.Second)
		w.at("h:1", answer{page: churning(1), delay: 5 * time.Second})
		w.at("h:2", answer{page: counter(7, 0)})
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		page, err := w.federator.Gather(ctx, "webapp", "web1") // lets go of the lines of the first page
		if err != nil || find(page, "x_total") != "8" {
			t.Fatalf("x_total %s, %v", find(page, "x_total"), err)
		}
		time.Sleep(10 * time.Second) // the page that began before has come, and is not taken
		w.refuse("h:1")
		w.want("x_total", "8")
		w.want("g{id=1-7}{worker_id=1}", "none")
		w.at("h:1", answer{page: churning(1)})
		w.want("x_total", "8")
		w.want("g{id=1-7}{worker_id=1}", "1")
	})
}
