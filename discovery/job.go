package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	promdiscovery "github.com/prometheus/prometheus/discovery"
)

// loggedProblems is how many targets that were left out are named in the log at one change.
const loggedProblems = 10

// jobRun is a running job.
type jobRun struct {
	name     string
	logger   *slog.Logger
	metrics  *metrics
	onUpdate func(Update)

	mu       sync.Mutex
	job      Job
	sources  []*sourceRun
	last     Update
	problems map[string]bool
	// reconfigured says that no list is out yet that is whole under the present configuration, after an earlier one.
	reconfigured bool
}

// sourceRun is a source that runs, or is about to. config tells whether it is the same after a reload.
type sourceRun struct {
	config any
	source source

	cancel context.CancelFunc
	done   sync.WaitGroup
	// state and logged are guarded by jobRun.mu; logged is the error that the log has last.
	state  found
	logged string
}

func newPromRun(config promdiscovery.Config, logger *slog.Logger) *sourceRun {
	return &sourceRun{config: config, source: &promSource{config: config, logger: logger}}
}

// apply keeps what is the same, stops and awaits what is not wanted any more, and then starts what is new. Only the
// manager calls it, one call at a time.
func (j *jobRun) apply(ctx context.Context, job Job, wanted []*sourceRun) {
	old := j.running()
	for i, w := range wanted {
		if k := slices.IndexFunc(old, func(o *sourceRun) bool { return sameConfig(o.config, w.config) }); k >= 0 {
			wanted[i] = old[k]
			old = slices.Delete(old, k, k+1)
		}
	}
	stopAll(old)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reconfigured = j.reconfigured || j.job.Name != ""
	j.job, j.sources = job, wanted
	for _, s := range wanted {
		if s.cancel == nil {
			j.startSource(ctx, s)
		}
	}
	j.tell()
}

func (j *jobRun) running() []*sourceRun {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.sources)
}

func (j *jobRun) startSource(ctx context.Context, s *sourceRun) {
	ctx, s.cancel = context.WithCancel(ctx)
	to := sink{
		attempted: func(err error) { j.metrics.attempted(j.name, err) },
		changed: func(state found) {
			j.mu.Lock()
			defer j.mu.Unlock()
			if ctx.Err() != nil {
				return // what a source says while it ends is not news
			}
			s.state = state
			j.logError(s)
			j.tell()
		},
	}
	s.done.Go(func() { s.source.run(ctx, to) })
}

// stop ends all sources and waits for them.
func (j *jobRun) stop() { stopAll(j.running()) }

func stopAll(sources []*sourceRun) {
	for _, s := range sources {
		s.cancel()
	}
	for _, s := range sources {
		s.done.Wait()
	}
}

// logError says once that a source is in error, and once that it is well again.
func (j *jobRun) logError(s *sourceRun) {
	text := errorText(s.state.err)
	switch text {
	case s.logged:
		return
	case "":
		j.logger.Info("Service discovery answers again")
	default:
		j.logger.Error("Service discovery has an error; the last known workers stay", "err", s.state.err)
	}
	s.logged = text
}

// tell hands on the job's state where it has changed; j.mu is held.
func (j *jobRun) tell() {
	next := j.next()
	next.Reconfigured = j.reconfigured && next.Answered
	if next.Answered {
		j.reconfigured = false // who goes from now on goes by itself
	}
	if sameUpdate(&j.last, &next) {
		return
	}
	j.last = next
	j.metrics.updates.WithLabelValues(j.name).Inc()
	j.onUpdate(next)
}

func (j *jobRun) next() Update {
	out := Update{Job: j.name, Answered: true}
	var candidates []candidate
	for _, s := range j.sources {
		candidates = append(candidates, s.state.candidates...)
		out.Answered = out.Answered && s.state.answered
		if out.Err == nil {
			out.Err = s.state.err
		}
	}
	workers, problems := resolve(j.name, &j.job.Relabel, candidates)
	j.logProblems(problems)
	if limit := j.job.Limits.TargetLimit; limit > 0 && len(workers) > limit {
		return j.overLimit(len(workers), limit)
	}
	out.Workers = workers
	return out
}

// overLimit keeps the last list: which of too many workers to leave out is nobody's to say.
func (j *jobRun) overLimit(workers, limit int) Update {
	out := j.last
	out.Job, out.Reconfigured = j.name, false
	out.Err = fmt.Errorf("%d workers are more than target_limit allows (%d): the last known ones stay; drop some by relabel_configs, or raise it", workers, limit)
	if errorText(j.last.Err) != out.Err.Error() {
		j.metrics.attempted(j.name, out.Err)
		j.logger.Error("Too many workers", "err", out.Err)
	}
	return out
}

// logProblems names each target that is left out once, until it is well or gone.
func (j *jobRun) logProblems(problems []string) {
	now := make(map[string]bool, len(problems))
	unnamed := 0
	for _, problem := range problems {
		known := j.problems[problem] || now[problem]
		now[problem] = true
		switch {
		case known:
		case len(now) > loggedProblems:
			unnamed++
		default:
			j.logger.Warn("Target left out", "reason", problem)
		}
	}
	if unnamed > 0 {
		j.logger.Warn("More targets left out", "count", unnamed)
	}
	j.problems = now
}

func sameUpdate(a, b *Update) bool {
	return a.Answered == b.Answered && errorText(a.Err) == errorText(b.Err) && slices.EqualFunc(a.Workers, b.Workers, equalWorkers)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
