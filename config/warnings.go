package config

import (
	"fmt"
	"strings"

	"github.com/fedscrape/fedscrape/relabel"
)

// instance is what two jobs must not share.
type instance struct{ job, name string }

// warnings are what the file alone shows: static targets, rules that give every target one job, and what publishing
// meets.
func warnings(c *Config) []string {
	w := warner{instances: map[instance]string{}, jobs: map[string]string{}, seen: map[string]bool{}}
	for _, job := range c.Jobs {
		w.static(job)
		w.renamed(job)
	}
	w.published(c.Jobs, c.Publish)
	return w.texts
}

type warner struct {
	instances map[instance]string // the job that the instance is of
	jobs      map[string]string   // likewise the job label
	seen      map[string]bool
	texts     []string
}

func (w *warner) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !w.seen[text] {
		w.seen[text] = true
		w.texts = append(w.texts, text)
	}
}

func (w *warner) static(job *Job) {
	for _, group := range job.Discovery.Static {
		for _, found := range group.Targets {
			labels := map[string]string{}
			for name, value := range group.Labels {
				labels[string(name)] = string(value)
			}
			for name, value := range found {
				labels[string(name)] = string(value)
			}
			w.target(job, labels)
		}
	}
}

func (w *warner) target(job *Job, labels map[string]string) {
	target, keep, err := relabel.NewTarget(labels, &job.Settings.Relabel, job.JobName, relabel.Other)
	if err != nil {
		w.warn("job %q: a target of static_configs is left out: %v", job.JobName, err)
	}
	if err != nil || !keep {
		return
	}
	id := instance{target.Job, target.Instance}
	first, ok := w.instances[id]
	if !ok {
		w.instances[id] = job.JobName
	} else if first != job.JobName {
		w.warn("jobs %q and %q both yield instance %q of job %q; the first decides", first, job.JobName, id.name, id.job)
	}
}

// renamed looks for discoveries whose instances are not known yet.
func (w *warner) renamed(job *Job) {
	d := &job.Discovery
	if len(d.Consul)+len(d.File)+len(d.HTTP)+len(d.DNS) == 0 {
		return
	}
	name := constantJob(job)
	if first, ok := w.jobs[name]; ok {
		w.warn("jobs %q and %q both yield job %q; of an instance that both have, the first decides", first, job.JobName, name)
		return
	}
	w.jobs[name] = job.JobName
}

// constantJob is the job label where rules without a condition set it, else the job's name.
func constantJob(job *Job) string {
	name := job.JobName
	for _, rule := range job.Settings.Relabel.RelabelConfigs {
		always := rule.Action == "replace" && rule.Regex.String() == "(.*)" && !strings.Contains(rule.Replacement, "$")
		if always && rule.TargetLabel == "job" && rule.Replacement != "" {
			name = rule.Replacement
		}
	}
	return name
}
