package web

import (
	"encoding/json"
	"net/http"

	"github.com/fedscrape/fedscrape/discovery"
)

// sdInstances lists the merged endpoints as http_sd.
func (s *Server) sdInstances(w http.ResponseWriter, r *http.Request) {
	s.sd(w, r, func(job string, workers []discovery.Worker) []discovery.Group {
		f := s.options.Federator
		return discovery.InstanceGroups(workers, f.Known(job), f.WorkerLabel, s.external(r))
	})
}

// sdWorkers lists the workers as http_sd, for scraping each with its worker label.
func (s *Server) sdWorkers(w http.ResponseWriter, r *http.Request) {
	s.sd(w, r, func(_ string, workers []discovery.Worker) []discovery.Group {
		return discovery.WorkerGroups(workers, s.options.Federator.WorkerLabel)
	})
}

// sd answers 503 until every discovery has answered: Prometheus keeps its targets on a 503 and drops them on an empty
// list.
func (s *Server) sd(w http.ResponseWriter, r *http.Request, groups func(string, []discovery.Worker) []discovery.Group) {
	job := r.URL.Query().Get("job")
	workers, err := s.options.Federator.Workers(job)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "%v", err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(groups(job, workers))
}
