package scraper

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count scrapes. They are safe for concurrent use.
type Metrics struct {
	scrapes *prometheus.CounterVec
	bytes   *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		scrapes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fedscrape_scrapes_total", Help: "Scrapes of workers by how they ended.",
		}, []string{"job", "result"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fedscrape_scrape_bytes_total", Help: "Bytes read from the pages of workers, decoded.",
		}, []string{"job"}),
	}
	reg.MustRegister(m.scrapes, m.bytes)
	return m
}

// Add shows a job's counters from the start: a rate needs their 0.
func (m *Metrics) Add(job string) {
	for _, result := range results {
		m.scrapes.WithLabelValues(job, string(result))
	}
	m.bytes.WithLabelValues(job)
}

// Scraped counts one scrape that ended with err, of which bytes were read.
func (m *Metrics) Scraped(job string, bytes int64, err error) {
	m.scrapes.WithLabelValues(job, string(ResultOf(err))).Inc()
	m.bytes.WithLabelValues(job).Add(float64(bytes))
}

// Forget drops the series of a job that is no longer configured.
func (m *Metrics) Forget(job string) {
	m.scrapes.DeletePartialMatch(prometheus.Labels{"job": job})
	m.bytes.DeleteLabelValues(job)
}

// ResultOf tells how a scrape that ended with err ended. What is not an *Error came from the reader of the page.
func ResultOf(err error) Result {
	if err == nil {
		return ResultOK
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Result
	}
	return ResultParse
}
