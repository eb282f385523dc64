package federator

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/ledger"
	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/relabel"
	"github.com/fedscrape/fedscrape/scraper"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer is what a scripted worker does when it is asked. The zero value refuses the connection.
type answer struct {
	page        string
	err         error
	delay       time.Duration
	id          string
	start       float64
	contentType string // text where empty
	untold      bool   // the length of the body is not told
}

// world is a federator over scripted workers, in the fake time of a synctest bubble.
type world struct {
	t         *testing.T
	federator *Federator
	registry  *prometheus.Registry
	log       *logBuffer
	job       *Job
	more      []*Job // of the configuration, after it
	ledger    ledger.Ledger

	firstRounds atomic.Int32 // how often Options.FirstRound was called

	mu      sync.Mutex
	answers map[string]answer // by address
	asked   map[string]int
	workers map[string]discovery.Worker // registered, by key
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// inWorld runs a test in fake time. change may alter the job before it is applied.
func inWorld(t *testing.T, change func(*Job), test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, log: &logBuffer{}, registry: prometheus.NewRegistry(), answers: map[string]answer{}, asked: map[string]int{},
			workers: map[string]discovery.Worker{}, ledger: ledger.NewMemory(),
		}
		w.job = &Job{
			Name: "webapp", Merge: merge.NewOptions(), Fetcher: w, ScrapeTimeout: 10 * time.Second, SweepInterval: time.Minute,
			BodySizeLimit: 1 << 20, Metric: relabel.NewMetric(nil),
		}
		if change != nil {
			change(w.job)
		}
		w.start()
		defer func() { w.federator.Close() }()
		test(w)
	})
}

func (w *world) start() {
	w.federator = New(Options{
		Logger: slog.New(slog.NewTextHandler(w.log, nil)), Registerer: w.registry, Lookup: w.lookup, Ledger: w.ledger,
		FirstRound: func() { w.firstRounds.Add(1) },
	})
	w.federator.Apply(append([]*Job{w.job}, w.more...))
}

// restart ends the federator as kill -9 does, but for the goroutines: Close writes nothing. The new one knows what the
// ledger has, until tell.
func (w *world) restart() {
	w.federator.Close()
	w.registry = prometheus.NewRegistry()
	w.start()
}

// errRefused is of an address where nobody lives.
var errRefused = &scraper.Error{Result: scraper.ResultRefused, Err: fmt.Errorf("connect: %w", syscall.ECONNREFUSED)}

// Fetch implements Fetcher.
func (w *world) Fetch(ctx context.Context, url string, timeout time.Duration, handle func(*scraper.Response) error) error {
	address := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics")
	w.mu.Lock()
	a, ok := w.answers[address]
	w.asked[address]++
	w.mu.Unlock()
	if !ok {
		return errRefused
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if a.delay > 0 { // a timer of no time at all crashes Go 1.26's race detector in a bubble now and then
		select {
		case <-time.After(a.delay):
		case <-ctx.Done():
			return &scraper.Error{Result: scraper.ResultTimeout, Err: fmt.Errorf("no answer within %s (scrape_timeout)", timeout)}
		}
	}
	if a.err != nil {
		return a.err
	}
	if a.contentType == "" {
		a.contentType = "text/plain; version=0.0.4"
	}
	return handle(&scraper.Response{
		ContentType: a.contentType, WorkerID: a.id, StartTime: a.start, LengthTold: !a.untold, Body: strings.NewReader(a.page),
	})
}

// lookup knows what is registered, as Consul does before the watch.
func (w *world) lookup(_ context.Context, _, serviceID string) ([]discovery.Worker, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, worker := range w.workers {
		if worker.ServiceID == serviceID {
			return []discovery.Worker{worker}, nil
		}
	}
	return nil, nil
}

// at scripts the worker at an address.
func (w *world) at(address string, a answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[address] = a
}

func (w *world) refuse(address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.answers, address)
}

// register adds registrations without telling the federator; key is service ID as well.
func (w *world) register(key, address string, change ...func(*discovery.Worker)) {
	worker := discovery.Worker{Key: key, ServiceID: key, Node: "node"}
	worker.Identity = relabel.Identity{Job: "webapp", Instance: "web1", WorkerID: strings.TrimPrefix(key, "w")}
	worker.Scheme, worker.Address, worker.MetricsPath = "http", address, "/metrics"
	for _, c := range change {
		c(&worker)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.workers[key] = worker
}

// tell is discovery's update of what is registered.
func (w *world) tell(change ...func(*discovery.Update)) {
	w.mu.Lock()
	u := discovery.Update{Job: "webapp", Answered: true}
	for _, key := range slices.Sorted(maps.Keys(w.workers)) {
		u.Workers = append(u.Workers, w.workers[key])
	}
	w.mu.Unlock()
	for _, c := range change {
		c(&u)
	}
	w.federator.Update(u)
}

// deregister takes registrations away and tells.
func (w *world) deregister(keys ...string) {
	w.mu.Lock()
	for _, key := range keys {
		delete(w.workers, key)
	}
	w.mu.Unlock()
	w.tell()
}

// gather asks for the merged page.
func (w *world) gather() (*Page, error) {
	return w.federator.Gather(w.t.Context(), "webapp", "web1")
}

// value gives a series of the merged page: name, or name{label=value}. It fails the test where there is no page.
func (w *world) value(series string) string {
	w.t.Helper()
	page, err := w.gather()
	if err != nil {
		w.t.Fatalf("%s: %v", series, err)
	}
	return find(page, series)
}

func find(page *Page, series string) string {
	for _, filled := range page.Families {
		fam := filled.Family()
		for _, s := range fam.Series {
			name := []string{fam.Name}
			for _, l := range s.Labels {
				name = append(name, fmt.Sprintf("{%s=%s}", l.Name, l.Value))
			}
			if strings.Join(name, "") == series {
				return string(exposition.AppendFloat(nil, s.Value))
			}
		}
	}
	return "none"
}

func (w *world) want(series, value string) {
	w.t.Helper()
	if got := w.value(series); got != value {
		w.t.Errorf("%s is %s, want %s", series, got, value)
	}
}

// states gives the present workers as `id:state`, by ID.
func (w *world) states() string {
	var list []string
	for _, in := range w.federator.Instances() {
		for _, s := range in.Workers {
			list = append(list, s.WorkerID+":"+s.State)
		}
	}
	return strings.Join(list, " ")
}

func (w *world) wantStates(want string) {
	w.t.Helper()
	if got := w.states(); got != want {
		w.t.Errorf("states %q, want %q", got, want)
	}
}

// times tells how often an address was asked.
func (w *world) times(address string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[address]
}

// logged counts lines of the log that have a text.
func (w *world) logged(text string) int { return strings.Count(w.log.String(), text) }

// metric gives a counter or gauge of the federator's own.
func (w *world) metric(name string, labels ...string) float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	sum := 0.0
	for _, fam := range families {
		for _, m := range fam.GetMetric() {
			match := fam.GetName() == name
			for i := 0; i < len(labels); i += 2 {
				match = match && slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool {
					return l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				})
			}
			if match {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// counter is a page with one counter and a live gauge, and the start time where it is not 0.
func counter(v float64, start float64) string {
	page := fmt.Sprintf("# TYPE x_total counter\nx_total %v\n# TYPE g gauge\ng %v\n", v, v)
	if start != 0 {
		page += fmt.Sprintf("# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %v\n", start)
	}
	return page
}
