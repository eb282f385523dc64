package federator

import (
	"context"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/relabel"
	"github.com/fedscrape/fedscrape/scraper"
)

// Fetcher asks one worker. It is a *scraper.Client outside of tests.
type Fetcher interface {
	Fetch(ctx context.Context, url string, timeout time.Duration, handle func(*scraper.Response) error) error
}

// Job is a configured group of instances. It must be immutable during its lifetime.
type Job struct {
	Name    string
	Merge   merge.Options
	Limits  exposition.Limits
	Fetcher Fetcher
	// Close releases what Fetcher holds once no scrape uses it any more; nil is nothing.
	Close  func()
	Metric *relabel.Metric
	// BodySizeLimit bounds a final snapshot as it bounds a scrape.
	BodySizeLimit int64
	ScrapeTimeout time.Duration
	SweepInterval time.Duration
	MaxAge        time.Duration
	// ServeEmpty answers from the ledger where no worker is up.
	ServeEmpty bool
}

// relabelFunc gives the job's metric_relabel_configs as a page wants them; nil where there are none.
func (j *Job) relabelFunc() exposition.RelabelFunc {
	if j.Metric == nil || j.Metric.Empty() {
		return nil
	}
	var list []labels.Label // both are the page's, and used again for each series
	var out exposition.Labels
	return func(name string, in exposition.Labels) (string, exposition.Labels, bool) {
		list = append(list[:0], labels.Label{Name: model.MetricNameLabel, Value: name})
		for _, l := range in {
			list = append(list, labels.Label(l))
		}
		var keep bool
		if list, keep = j.Metric.Apply(list); !keep {
			return "", nil, false
		}
		out = out[:0]
		for _, l := range list {
			if l.Name == model.MetricNameLabel {
				name = l.Value
			} else {
				out = append(out, exposition.Label(l))
			}
		}
		return name, out, true
	}
}

// Lookup asks the registry of a job at once for the workers with a service ID (one for each node that has it), without
// waiting for the watch.
type Lookup func(ctx context.Context, job, serviceID string) ([]discovery.Worker, error)
