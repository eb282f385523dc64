package web

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// maxMargin is the most that is left of Prometheus' timeout for the way back.
const maxMargin = 500 * time.Millisecond

// withScrapeDeadline gives the request's context the deadline that Prometheus told, less a margin.
func withScrapeDeadline(r *http.Request) (context.Context, context.CancelFunc) {
	seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || !(seconds > 0) || seconds > float64(time.Hour/time.Second) {
		return r.Context(), func() {}
	}
	timeout := time.Duration(seconds * float64(time.Second))
	return context.WithTimeout(r.Context(), timeout-min(maxMargin, timeout/10))
}
