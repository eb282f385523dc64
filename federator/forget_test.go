package federator

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestForget begins anew: neither who is there nor who comes back brings the past with it.
func TestForget(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		w.register("w2", "b:1")
		w.at("a:1", answer{page: counter(10, 100)})
		w.at("b:1", answer{page: counter(20, 100)})
		w.tell()
		w.want("x_total", "30")
		w.refuse("b:1")
		w.deregister("w2")
		w.want("x_total", "30")
		if err := w.federator.Forget("webapp", "web1"); err != nil {
			t.Fatal(err)
		}
		w.want("x_total", "0")
		w.at("a:1", answer{page: counter(13, 100)})
		w.want("x_total", "3")
		w.register("w2", "b:1") // was only cut off
		w.at("b:1", answer{page: counter(25, 100)})
		w.tell()
		w.want("x_total", "3")
		w.at("b:1", answer{page: counter(27, 100)})
		w.want("x_total", "5")
	})
}

func TestForgetUnknown(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		var notReady *NotReadyError
		if err := w.federator.Forget("webapp", "nope"); !errors.As(err, &notReady) {
			t.Errorf("before discovery has answered: %v", err)
		}
		w.tell()
		var unknown *UnknownInstanceError
		if err := w.federator.Forget("webapp", "nope"); !errors.As(err, &unknown) || strings.Join(unknown.Known, " ") != "web1" {
			t.Errorf("got %v", err)
		}
	})
}

func TestForgetWithoutWorkers(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		w.at("a:1", answer{page: counter(10, 100)})
		w.tell()
		w.want("x_total", "10")
		w.refuse("a:1")
		w.deregister("w1")
		_, _ = w.gather()
		if err := w.federator.Forget("webapp", "web1"); err != nil {
			t.Fatal(err)
		}
		var unknown *UnknownInstanceError
		if _, err := w.gather(); !errors.As(err, &unknown) || len(w.federator.Instances()) > 0 {
			t.Errorf("it is still there: %v", err)
		}
	})
}

// TestForgetDuringRound forgets while workers answer, and while a page is served again for max_age.
func TestForgetDuringRound(t *testing.T) {
	inWorld(t, func(j *Job) { j.MaxAge = time.Minute }, func(w *world) {
		w.register("w1", "a:1")
		w.at("a:1", answer{page: counter(10, 100)})
		w.tell()
		w.want("x_total", "10")
		if err := w.federator.Forget("webapp", "web1"); err != nil {
			t.Fatal(err)
		}
		w.want("x_total", "0") // not the page that max_age keeps
		time.Sleep(2 * time.Minute)
		w.at("a:1", answer{page: counter(16, 100), delay: 2 * time.Second})
		var group sync.WaitGroup
		group.Go(func() { w.want("x_total", "6") })
		time.Sleep(time.Second)
		if err := w.federator.Forget("webapp", "web1"); err != nil {
			t.Fatal(err)
		}
		group.Wait()
	})
}

func TestExplain(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "a:1")
		w.register("w2", "b:1")
		w.at("a:1", answer{page: counter(10, 100)})
		w.at("b:1", answer{page: counter(20, 100)})
		w.tell()
		w.want("x_total", "30")
		w.refuse("b:1")
		w.deregister("w2")
		w.want("x_total", "30")
		e, err := w.federator.Explain("webapp", "web1", "x_total", 10)
		if err != nil || e.Type != "counter" || len(e.Series) != 1 || e.Series[0].Value != 30 || len(e.Series[0].Parts) != 2 {
			t.Fatalf("got %+v, %v", e, err)
		}
		for i, want := range []ExplainedPart{{"1", 0, 10, "up"}, {"2", 0, 20, "departed"}} {
			if got := e.Series[0].Parts[i]; got != want {
				t.Errorf("part %d is %v, want %v", i, got, want)
			}
		}
		var metric *UnknownMetricError
		if _, err := w.federator.Explain("webapp", "web1", "nope", 10); !errors.As(err, &metric) || metric.Total != 3 {
			t.Errorf("got %v", err)
		}
		var unknown *UnknownInstanceError
		if _, err := w.federator.Explain("webapp", "nope", "x_total", 10); !errors.As(err, &unknown) {
			t.Errorf("got %v", err)
		}
	})
}
