package discovery

import (
	"context"
	"log/slog"
	"reflect"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"

	"github.com/fedscrape/fedscrape/relabel"
)

// Job is what a Manager needs to know of a job. Its options must have been validated, and must not be changed after.
type Job struct {
	Name      string
	Discovery Options
	Limits    Limits
	Relabel   relabel.Options
}

// Update is all that is known of a job. It must be immutable once it is handed out.
type Update struct {
	Job string
	// Workers are sorted by key.
	Workers []Worker
	// Answered says that each source of the job has answered once since the job had this set of sources. Until then
	// Workers may lack some, and nothing in it means that a worker has gone.
	Answered bool
	// Reconfigured says that this is the first whole list since the job's configuration changed: who is missing was
	// taken away by it.
	Reconfigured bool
	// Err is what is wrong now; Workers are then the last known ones.
	Err error
}

// Manager keeps the lists of all jobs. It is safe for concurrent use.
type Manager struct {
	logger   *slog.Logger
	metrics  *metrics
	onUpdate func(Update)
	pool     clientPool

	mu sync.Mutex
	// running is Run's context, which the jobs that Apply brings later live with; nil unless Run runs.
	running context.Context
	wanted  []Job
	jobs    map[string]*jobRun
}

// NewManager makes a manager of jobs with different names. onUpdate is called at each change, for one job never
// concurrently, and never after Run has returned or Apply has taken the job away; it must not call the manager.
// Without a registerer the metrics are not shown.
func NewManager(jobs []Job, logger *slog.Logger, registerer prometheus.Registerer, onUpdate func(Update)) *Manager {
	if logger == nil {
		logger = promslog.NewNopLogger()
	}
	return &Manager{
		logger:   logger,
		metrics:  newMetrics(registerer),
		onUpdate: onUpdate,
		wanted:   jobs,
		jobs:     map[string]*jobRun{},
	}
}

// Run watches until the context ends, and returns when all watches have ended.
func (m *Manager) Run(ctx context.Context) error {
	m.start(ctx)
	<-ctx.Done()
	m.stop()
	return nil
}

func (m *Manager) start(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = ctx
	m.settle()
}

func (m *Manager) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = nil
	for name, job := range m.jobs {
		job.stop()
		delete(m.jobs, name)
	}
}

// Apply changes the jobs to these. A source whose options are the same is kept running with all that it knows; another
// relabeling of what is known is told at once.
func (m *Manager) Apply(jobs []Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = jobs
	if m.running != nil && m.running.Err() == nil {
		m.settle()
	}
}

// settle makes the running jobs those that are wanted.
func (m *Manager) settle() {
	gone := make(map[string]bool, len(m.jobs))
	for name := range m.jobs {
		gone[name] = true
	}
	for _, job := range m.wanted {
		delete(gone, job.Name)
	}
	for name := range gone {
		m.jobs[name].stop()
		delete(m.jobs, name)
		m.metrics.remove(name)
	}
	for _, job := range m.wanted {
		if m.jobs[job.Name] == nil {
			m.metrics.add(job.Name)
			m.jobs[job.Name] = m.newJobRun(job.Name)
		}
		m.jobs[job.Name].apply(m.running, job, m.sources(&job))
	}
}

func (m *Manager) newJobRun(name string) *jobRun {
	return &jobRun{
		name: name, logger: m.logger.With("job", name), metrics: m.metrics, onUpdate: m.onUpdate,
		problems: map[string]bool{},
	}
}

// sources are a job's, in the order of the configuration's keys: of two that find one target the first decides.
func (m *Manager) sources(job *Job) []*sourceRun {
	logger := m.logger.With("job", job.Name)
	var out []*sourceRun
	for _, c := range job.Discovery.Consul {
		out = append(out, &sourceRun{config: c, source: &consulSource{options: c, pool: &m.pool}})
	}
	if static := job.Discovery.Static; len(static) > 0 {
		out = append(out, newPromRun(staticSource(static), logger))
	}
	for _, c := range job.Discovery.File {
		out = append(out, newPromRun(c, logger))
	}
	for _, c := range job.Discovery.HTTP {
		out = append(out, newPromRun(c, logger))
	}
	for _, c := range job.Discovery.DNS {
		out = append(out, newPromRun(c, logger))
	}
	return out
}

// sameConfig compares values that are data all through: a compiled regular expression equals one of the same text.
func sameConfig(a, b any) bool { return reflect.DeepEqual(a, b) }
