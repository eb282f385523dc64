package main

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// reloads serializes reloads and tells how the last one went.
type reloads struct {
	mu         sync.Mutex
	successful prometheus.Gauge
	last       prometheus.Gauge
}

func (r *reloads) register(reg prometheus.Registerer) {
	r.successful = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "fedscrape_config_last_reload_successful", Help: "Whether the last reload of the configuration was good.",
	})
	r.last = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "fedscrape_config_last_reload_success_timestamp_seconds", Help: "When a configuration was last taken.",
	})
	reg.MustRegister(r.successful, r.last)
	r.done(nil)
}

func (r *reloads) done(err error) {
	if err != nil {
		r.successful.Set(0)
		return
	}
	r.successful.Set(1)
	r.last.SetToCurrentTime()
}
