package web

import (
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// handler routes all endpoints, under the external URL's path. What changes something is not for other sites' pages.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	read := []string{http.MethodGet, http.MethodHead}
	route := func(path string, h http.HandlerFunc, methods ...string) { mux.Handle(s.prefix+path, only(methods, h)) }
	route("/merged", s.bounded(s.merged), read...)
	route("/sd/instances", s.bounded(s.sdInstances), read...)
	route("/sd/workers", s.bounded(s.sdWorkers), read...)
	route("/api/v1/final", s.bounded(s.final), http.MethodPut)
	route(instancesPath, s.bounded(s.apiInstances), append(slices.Clone(read), http.MethodDelete)...)
	route(explainPath, s.bounded(s.apiExplain), read...)
	mux.HandleFunc(s.prefix+"/api/", apiUnknown)
	route("/metrics", promhttp.HandlerFor(s.options.Gatherer, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelError), EnableOpenMetrics: true, MaxRequestsInFlight: maxMetrics,
	}).ServeHTTP, read...)
	route("/-/healthy", healthy, read...)
	route("/-/ready", s.ready, read...)
	route("/-/reload", s.reload, http.MethodPost, http.MethodPut)
	route("/{$}", s.bounded(s.page), read...)
	if s.prefix != "" {
		home := only(read, http.RedirectHandler(s.prefix+"/", http.StatusFound).ServeHTTP)
		mux.Handle("/{$}", home)
		mux.Handle(s.prefix, home)
	}
	return http.NewCrossOriginProtection().Handler(mux)
}

// maxMetrics is how many requests for the own metrics are answered at once. It is apart from the others, so that a
// federator that is too busy can be watched.
const maxMetrics = 40

// bounded refuses a request where too many are under way: each holds a page or a compressor.
func (s *Server) bounded(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.inFlight <- struct{}{}:
			defer func() { <-s.inFlight }()
			h(w, r)
		default:
			refuse(w, http.StatusServiceUnavailable, "%d requests are under way, no more are taken: ask again, or ask less often", cap(s.inFlight))
		}
	}
}

// only lets the methods through. The routes have no method of their own, because /api/ would take what they leave.
func only(methods []string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			refuse(w, http.StatusMethodNotAllowed, "%s is not allowed here, %s is", r.Method, strings.Join(methods, " or "))
			return
		}
		h(w, r)
	}
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "fedscrape is healthy.\n")
}
