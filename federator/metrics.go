package federator

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/scraper"
)

// metrics of the federator itself. No instance or worker label: those are on the merged pages.
type metrics struct {
	scrapes  *scraper.Metrics
	rounds   *prometheus.CounterVec
	duration *prometheus.HistogramVec
	departed *prometheus.CounterVec
	resets   *prometheus.CounterVec
	finals   *prometheus.CounterVec

	ledgerErrors *prometheus.CounterVec
	ledgerWrites prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		scrapes: scraper.NewMetrics(reg),
		rounds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fedscrape_rounds_total", Help: "Rounds of scrapes over all workers of an instance.",
		}, []string{"job", "trigger"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fedscrape_round_duration_seconds", Help: "How long a round took.",
			Buckets:                     prometheus.ExponentialBuckets(0.001, 4, 8),
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"job"}),
		departed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fedscrape_workers_departed_total", Help: "Workers that departed, by why.",
		}, []string{"job", "reason"}),
		resets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fedscrape_resets_absorbed_total", Help: "Series that fell inside a worker's life and were carried on.",
		}, []string{"job"}),
		finals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fedscrape_finals_total", Help: "Final snapshots that were handed in, by what became of them.",
		}, []string{"job", "result"}),
		ledgerErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fedscrape_ledger_errors_total", Help: "Operations of the ledger that had an error.",
		}, []string{"op"}),
		ledgerWrites: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fedscrape_ledger_write_duration_seconds", Help: "How long it took to write what a page shows.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 8),
		}),
	}
	for _, op := range ledgerOps {
		m.ledgerErrors.WithLabelValues(op)
	}
	reg.MustRegister(m.rounds, m.duration, m.departed, m.resets, m.finals, m.ledgerErrors, m.ledgerWrites)
	return m
}

// add shows a job's counters from the start: a rate needs their 0.
func (m *metrics) add(job string) {
	m.scrapes.Add(job)
	for _, trigger := range []string{triggerRequest, triggerSweep} {
		m.rounds.WithLabelValues(job, trigger)
	}
	m.duration.WithLabelValues(job)
	for _, reason := range reasons {
		m.departed.WithLabelValues(job, reason)
	}
	m.resets.WithLabelValues(job)
	for _, result := range finalResults {
		m.finals.WithLabelValues(job, result)
	}
	m.finals.WithLabelValues(job, finalOK)
}

// ledgerOps are what can go wrong with the ledger.
var ledgerOps = []string{"append", "forget", "page", "read", "set_aside"}

// forget drops the series of a job that is no longer configured.
func (m *metrics) forget(job string) {
	m.scrapes.Forget(job)
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{m.rounds, m.duration, m.departed, m.resets, m.finals} {
		v.DeletePartialMatch(prometheus.Labels{"job": job})
	}
}

var (
	instancesDesc = prometheus.NewDesc("fedscrape_instances", "Instances that are known.", []string{"job"}, nil)
	workersDesc   = prometheus.NewDesc("fedscrape_workers", "Present workers by state.", []string{"job", "state"}, nil)
	conflictsDesc = prometheus.NewDesc("fedscrape_conflicts",
		"What present workers disagree on, or what was not taken from them, by kind.", []string{"job", "kind"}, nil)
	degradedDesc = prometheus.NewDesc("fedscrape_ledger_degraded", "Whether the ledger lacks what some page shows.", nil, nil)
	sizeDesc     = prometheus.NewDesc("fedscrape_ledger_size_bytes", "What the ledger takes on disk.", nil, nil)
)

// Describe implements prometheus.Collector.
func (f *Federator) Describe(ch chan<- *prometheus.Desc) {
	ch <- instancesDesc
	ch <- workersDesc
	ch <- conflictsDesc
	ch <- degradedDesc
	ch <- sizeDesc
}

// Collect implements prometheus.Collector with what is counted when it is asked for.
func (f *Federator) Collect(ch chan<- prometheus.Metric) {
	instances := map[string]int{}
	workers := map[[2]string]int{}
	conflicts := map[[2]string]int{}
	for _, name := range f.jobNames() {
		instances[name] = 0
		for _, state := range []string{stateUp, stateFailed, stateNew} {
			workers[[2]string{name, state}] = 0
		}
		conflicts[[2]string{name, conflictWorkerID}] = 0
		for _, kind := range merge.ConflictKinds {
			conflicts[[2]string{name, kind}] = 0
		}
	}
	degraded := 0
	for _, in := range f.all() {
		if in.count(instances, workers, conflicts) {
			degraded = 1
		}
	}
	gauge := func(desc *prometheus.Desc, n int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), labels...)
	}
	gauge(degradedDesc, degraded)
	ch <- prometheus.MustNewConstMetric(sizeDesc, prometheus.GaugeValue, float64(f.ledger.Size()))
	for job, n := range instances {
		gauge(instancesDesc, n, job)
	}
	for k, n := range workers {
		gauge(workersDesc, n, k[0], k[1])
	}
	for k, n := range conflicts {
		gauge(conflictsDesc, n, k[0], k[1])
	}
}
