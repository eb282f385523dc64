package web

import (
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// handler routes all endpoints, under the external URL's path.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	read := []string{http.MethodGet, http.MethodHead}
	route := func(path string, h http.HandlerFunc, methods ...string) { mux.Handle(s.prefix+path, only(methods, h)) }
	route("/merged", s.merged, read...)
	route("/sd/instances", s.sdInstances, read...)
	route("/sd/workers", s.sdWorkers, read...)
	route("/api/v1/final", s.final, http.MethodPut)
	route(instancesPath, s.apiInstances, read...)
	mux.HandleFunc(s.prefix+"/api/", apiUnknown)
	route("/metrics", promhttp.HandlerFor(s.options.Gatherer, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelError), EnableOpenMetrics: true,
	}).ServeHTTP, read...)
	route("/-/healthy", healthy, read...)
	route("/-/ready", s.ready, read...)
	route("/-/reload", s.reload, http.MethodPost, http.MethodPut)
	route("/{$}", s.page, read...)
	if s.prefix != "" {
		home := only(read, http.RedirectHandler(s.prefix+"/", http.StatusFound).ServeHTTP)
		mux.Handle("/{$}", home)
		mux.Handle(s.prefix, home)
	}
	return mux
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
