package discovery

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	updates, errors *prometheus.CounterVec
	lastSuccess     *prometheus.GaugeVec
}

// newMetrics registers nothing where there is no registerer.
func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fedscrape_discovery_updates_total",
			Help: "Changes of a job's list of workers, or of its state.",
		}, []string{"job"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fedscrape_discovery_errors_total",
			Help: "Questions of a job's service discovery that went without a good answer.",
		}, []string{"job"}),
		lastSuccess: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fedscrape_discovery_last_success_timestamp_seconds",
			Help: "When a job's service discovery last got a good answer.",
		}, []string{"job"}),
	}
	if registerer != nil {
		registerer.MustRegister(m.updates, m.errors, m.lastSuccess)
	}
	return m
}

// add shows a job's counters from the start: a rate needs their 0.
func (m *metrics) add(job string) {
	m.updates.WithLabelValues(job)
	m.errors.WithLabelValues(job)
}

func (m *metrics) remove(job string) {
	m.updates.DeleteLabelValues(job)
	m.errors.DeleteLabelValues(job)
	m.lastSuccess.DeleteLabelValues(job)
}

func (m *metrics) attempted(job string, err error) {
	if err != nil {
		m.errors.WithLabelValues(job).Inc()
		return
	}
	m.lastSuccess.WithLabelValues(job).Set(float64(time.Now().UnixNano()) / 1e9)
}
