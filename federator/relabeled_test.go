package federator

import (
	"fmt"
	"testing"

	"go.yaml.in/yaml/v2"

	"github.com/fedscrape/fedscrape/relabel"
)

// reload applies the job with rules, as a configuration that is read again has them.
func (w *world) reload(rules string) {
	w.t.Helper()
	opts := relabel.DefaultOptions()
	if err := yaml.Unmarshal([]byte("metric_relabel_configs: "+rules), &opts); err != nil {
		w.t.Fatal(err)
	}
	if err := opts.Validate(); err != nil {
		w.t.Fatal(err)
	}
	job := *w.job
	job.Metric = relabel.NewMetric(opts.MetricRelabelConfigs)
	w.federator.Apply([]*Job{&job})
	w.tell()
}

const (
	dropX   = `[{action: drop, source_labels: [__name__], regex: "[xh]_.*"}]`
	dropOne = `[{action: drop, source_labels: [__name__, le], regex: "h_bucket;1(.0)?"}]`
)

// rising fails where a series is lower than before.
type rising struct {
	*world
	last map[string]float64
}

// wantRisen wants the counter, and the histogram's count, to have a value.
func (r rising) wantRisen(want float64) {
	r.t.Helper()
	page, err := r.gather()
	if err != nil {
		r.t.Fatal(err)
	}
	got := map[string]float64{}
	for _, filled := range page.Families {
		fam := filled.Family()
		for _, s := range fam.Series {
			got[fam.Name] = s.Value + s.Count
			for _, b := range s.Buckets {
				got[fmt.Sprint(fam.Name, b.UpperBound)] = b.Count
			}
		}
	}
	if got["x_total"] != want || got["h"] != want || got["h+Inf"] != want {
		r.t.Errorf("got %v, want %v", got, want)
	}
	for _, name := range []string{"x_total", "h", "h1"} {
		if v, has := got[name]; has && v < r.last[name] {
			r.t.Errorf("%s falls from %v to %v", name, r.last[name], v)
		}
		r.last[name] = max(r.last[name], got[name])
	}
}

func (r rising) both(first, second float64) {
	page := func(v float64) answer {
		return answer{page: counter(v, 100) + fmt.Sprintf("# TYPE h histogram\nh_bucket{le=\"1\"} %v\nh_bucket{le=\"+Inf\"} %v\nh_sum 1\nh_count %v\n", v-1, v, v)}
	}
	r.at("h:1", page(first))
	r.at("h:2", page(second))
}

// TestReloadDropsAndTakesBack is a metric that metric_relabel_configs drop for a while, and a worker that departs in it.
func TestReloadDropsAndTakesBack(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "h:1")
		w.register("w2", "h:2")
		w.tell()
		r := rising{w, map[string]float64{}}
		r.both(20, 3)
		r.wantRisen(23)
		for range 2 {
			r.reload(dropX)
			r.wantRisen(23)
			r.reload(dropX + " # the same")
			r.wantRisen(23)
			r.reload("[]")
			r.wantRisen(23)
		}
		r.reload(dropOne)
		r.wantRisen(23)
		r.reload(dropX)
		r.wantRisen(23)
		r.both(25, 5)
		r.refuse("h:1")
		r.deregister("w1")
		r.wantRisen(23)
		r.both(26, 5)
		r.register("w1", "h:1")
		r.reload("[]")
		r.wantRisen(31)
		r.both(30, 2) // w2 began anew
		r.wantRisen(37)
	})
}

// TestReloadOfTheSameRules takes nothing back: the worker itself removed the metric.
func TestReloadOfTheSameRules(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.register("w1", "h:1")
		w.reload(dropOne)
		w.at("h:1", answer{page: counter(5, 100)})
		w.want("x_total", "5")
		w.reload(dropOne)
		w.at("h:1", answer{page: "g 1\nprocess_start_time_seconds 100\n"})
		w.want("x_total", "5")
		w.reload(dropOne)
		w.at("h:1", answer{page: counter(7, 100)})
		w.want("x_total", "12")
	})
}
