package discovery

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v2"

	"github.com/fedscrape/fedscrape/relabel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is longer than anything takes that happens at all, on a machine that does other things, too.
const deadline = time.Minute

// job decodes a job's discovery and relabeling as the configuration does.
func job(t testing.TB, name, text string) Job {
	t.Helper()
	all := struct {
		Options `yaml:",inline"`
		Limits  `yaml:",inline"`
		Relabel relabel.Options `yaml:",inline"`
	}{Limits: DefaultLimits(), Relabel: relabel.DefaultOptions()}
	if err := yaml.UnmarshalStrict([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{all.Options.Validate(), all.Limits.Validate(), all.Relabel.Validate()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return Job{Name: name, Discovery: all.Options, Limits: all.Limits, Relabel: all.Relabel}
}

// running is a manager under test, and what it says.
type running struct {
	*Manager
	registry *prometheus.Registry
	log      *syncBuffer
	updates  chan Update
	stop     func()
}

// start runs a manager until the test ends.
func start(t *testing.T, jobs ...Job) *running {
	t.Helper()
	r := &running{registry: prometheus.NewRegistry(), log: &syncBuffer{}, updates: make(chan Update, 1000)}
	r.Manager = NewManager(jobs, slog.New(slog.NewTextHandler(r.log, nil)), r.registry, func(u Update) { r.updates <- u })
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = r.Run(ctx) })
	r.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(r.stop)
	return r
}

// await gives the first update that is as wanted.
func (r *running) await(t *testing.T, what string, wanted func(Update) bool) Update {
	t.Helper()
	timeout := time.After(deadline)
	var last Update
	for {
		select {
		case last = <-r.updates:
			if wanted(last) {
				return last
			}
		case <-timeout:
			t.Fatalf("waited %v for %s; last update: %+v\n%s", deadline, what, last, r.log)
		}
	}
}

// quiet fails if anything is said within the time: it is for what must not happen.
func (r *running) quiet(t *testing.T, during time.Duration) {
	t.Helper()
	select {
	case u := <-r.updates:
		t.Fatalf("unexpected update: %+v", u)
	case <-time.After(during):
	}
}

func workers(n int) func(Update) bool {
	return func(u Update) bool { return u.Answered && u.Err == nil && len(u.Workers) == n }
}

func failing(u Update) bool { return u.Err != nil }

type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
