package publish

import (
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	published *prometheus.GaugeVec
	errors    *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	labels := []string{"server", "service"}
	m := &metrics{
		published: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "fedscrape_published_instances", Help: "Merged instances that are registered in Consul.",
		}, labels),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fedscrape_publish_errors_total", Help: "Attempts at publishing merged instances in Consul that failed.",
		}, labels),
	}
	if reg != nil {
		reg.MustRegister(m.published, m.errors)
	}
	return m
}

// add shows the series before anything happens.
func (m *metrics) add(o *Options) {
	m.published.WithLabelValues(o.Server, o.Service).Set(0)
	m.errors.WithLabelValues(o.Server, o.Service).Add(0)
}

func (m *metrics) failed(o *Options) { m.errors.WithLabelValues(o.Server, o.Service).Inc() }

func (m *metrics) count(o *Options, entries map[string]*entry) {
	n := 0
	for _, e := range entries {
		if e.registered != nil {
			n++
		}
	}
	m.published.WithLabelValues(o.Server, o.Service).Set(float64(n))
}

func (m *metrics) forget(o *Options) {
	m.published.DeleteLabelValues(o.Server, o.Service)
	m.errors.DeleteLabelValues(o.Server, o.Service)
}
