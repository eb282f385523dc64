package federator

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/ledger"
)

// Options of a Federator.
type Options struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Lookup     Lookup
	// Ledger keeps what must not be forgotten; the caller closes it, after Close. nil is memory.
	Ledger ledger.Ledger
	// FirstRound is called once, when the first round of an instance has ended; nil is nothing.
	FirstRound func()
}

// Federator owns the instances of all jobs. It is safe for concurrent use.
type Federator struct {
	logger  *slog.Logger
	metrics *metrics
	lookup  Lookup
	ledger  ledger.Ledger
	clock   clock

	firstRound func() // does what Options.FirstRound is for, once
	clockSaves clockSaves
	meetings   meetings

	ctx    context.Context // of everything that outlives a request
	cancel context.CancelFunc
	crew   crew
	gate   sync.Mutex // nothing joins the crew once Close waits for it; taken last

	mu        sync.Mutex
	jobs      []*Job            // in the order of the configuration
	updates   map[string]update // by job name
	instances map[instanceKey]*Instance
	// orphans are instances of jobs that are not configured any more: kept for instance_retention.
	orphans map[instanceKey]*Instance
	// settled are the jobs whose discovery has answered in this process.
	settled map[string]bool
}

type instanceKey struct{ job, instance string }

// update is what discovery said last of a job.
type update struct {
	answered bool
	workers  []discovery.Worker
}

// New gives a federator without jobs. Close must be called.
func New(o Options) *Federator {
	if o.Ledger == nil {
		o.Ledger = ledger.NewMemory()
	}
	if o.FirstRound == nil {
		o.FirstRound = func() {}
	}
	f := &Federator{
		logger: o.Logger, metrics: newMetrics(o.Registerer), lookup: o.Lookup, ledger: o.Ledger,
		updates: map[string]update{}, instances: map[instanceKey]*Instance{}, orphans: map[instanceKey]*Instance{},
		settled: map[string]bool{}, clock: clock{started: time.Now()}, meetings: newMeetings(),
		firstRound: sync.OnceFunc(o.FirstRound),
	}
	f.clockSaves.begun = f.clock.started
	f.ctx, f.cancel = context.WithCancel(context.Background())
	o.Registerer.MustRegister(f)
	return f
}

// Close ends all scrapes and waits for them.
func (f *Federator) Close() {
	f.gate.Lock()
	f.cancel()
	f.gate.Unlock()
	f.crew.close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		if j.Close != nil {
			j.Close()
		}
	}
}

// Apply takes a configuration: the jobs in their order. Instances of jobs that keep their name stay as they are. The
// first one reads the ledger.
func (f *Federator) Apply(jobs []*Job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.jobs
	if old == nil {
		f.restore(jobs)
	}
	f.jobs = jobs
	f.adoptOrphans(time.Now())
	if old == nil {
		for _, in := range f.orphans {
			in.warnOrphan()
		}
	}
	for _, j := range old {
		if j.Close != nil {
			j.Close()
		}
		if f.job(j.Name) == nil {
			delete(f.updates, j.Name)
			defer f.metrics.forget(j.Name) // its instances count until they are closed
		}
	}
	for _, j := range jobs {
		f.metrics.add(j.Name)
	}
	f.distribute(time.Now(), "") // whom it takes away discovery says
}

func (f *Federator) job(name string) *Job {
	if i := slices.IndexFunc(f.jobs, func(j *Job) bool { return j.Name == name }); i >= 0 {
		return f.jobs[i]
	}
	return nil
}

func (f *Federator) jobNames() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]string, len(f.jobs))
	for i, j := range f.jobs {
		names[i] = j.Name
	}
	return names
}

// Update takes what discovery knows of a job now. It is discovery.Manager's onUpdate.
func (f *Federator) Update(u discovery.Update) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.job(u.Job) == nil {
		return
	}
	old := f.updates[u.Job]
	f.updates[u.Job] = update{answered: u.Answered || old.answered && u.Err != nil, workers: u.Workers}
	reconfigured := ""
	if u.Reconfigured {
		reconfigured = u.Job
	}
	f.distribute(time.Now(), reconfigured)
}

// all gives the instances, sorted.
func (f *Federator) all() []*Instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]*Instance, 0, len(f.instances))
	for _, in := range f.instances {
		list = append(list, in)
	}
	slices.SortFunc(list, func(a, b *Instance) int {
		return cmp.Or(cmp.Compare(a.key.job, b.key.job), cmp.Compare(a.key.instance, b.key.instance))
	})
	return list
}

// Ready is nil as soon as there is a configuration.
func (f *Federator) Ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.jobs == nil {
		return &NotReadyError{"the configuration is not read yet"}
	}
	return nil
}

// answered is nil once each discovery of the job (of all jobs where it is empty) has answered.
func (f *Federator) answered(job string) error {
	for _, j := range f.jobs {
		if (job == "" || j.Name == job) && !f.updates[j.Name].answered {
			return &NotReadyError{fmt.Sprintf("the service discovery of job %q has not answered yet", j.Name)}
		}
	}
	return nil
}

// find gives an instance, or says what is known instead.
func (f *Federator) find(job, instance string) (*Instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if in := f.instances[instanceKey{job, instance}]; in != nil {
		if in.isOpen() {
			return in, nil
		}
		return in, f.answered(in.jobName())
	}
	if err := f.answered(""); err != nil {
		return nil, err
	}
	e := &UnknownInstanceError{Job: job, Instance: instance}
	for k := range f.instances {
		if k.job == job {
			e.Known = append(e.Known, k.instance)
		}
	}
	slices.Sort(e.Known)
	e.Total = len(e.Known)
	e.Known = e.Known[:min(e.Total, 20)]
	return nil, e
}

// Prepare runs or joins a round and gives the merged page, of which nothing may be shown before Page.Kept.
func (f *Federator) Prepare(ctx context.Context, job, instance string) (*Page, error) {
	in, err := f.find(job, instance)
	if err != nil {
		return nil, err
	}
	return in.Prepare(ctx)
}

// Workers gives the present workers, of one job label where it is not empty. The error is a *NotReadyError.
func (f *Federator) Workers(job string) ([]discovery.Worker, error) {
	f.mu.Lock()
	err := f.answered("")
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var list []discovery.Worker
	for _, in := range f.all() {
		if job == "" || in.key.job == job {
			list = in.appendWorkers(list)
		}
	}
	return list, nil
}

// Instances gives the state of all instances, sorted by job and instance.
func (f *Federator) Instances() []InstanceStatus {
	list := []InstanceStatus{}
	for _, in := range f.all() {
		list = append(list, in.status())
	}
	return list
}

// Known gives the known instances, of one job label where it is not empty, sorted.
func (f *Federator) Known(job string) []discovery.InstanceID {
	var list []discovery.InstanceID
	for _, in := range f.all() {
		if job == "" || in.key.job == job {
			list = append(list, discovery.InstanceID{Job: in.key.job, Instance: in.key.instance})
		}
	}
	return list
}

// WorkerLabel is the worker label of a job label's instances; worker_id where there are none.
func (f *Federator) WorkerLabel(job string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.job(job); j != nil {
		return j.Merge.WorkerLabel
	}
	for k, in := range f.instances {
		if k.job == job {
			return in.workerLabel()
		}
	}
	return "worker_id"
}
