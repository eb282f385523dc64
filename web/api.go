package web

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/fedscrape/fedscrape/federator"
)

// envelope is that of Prometheus' API.
type envelope struct {
	Status    string   `json:"status"`
	Data      any      `json:"data,omitempty"`
	ErrorType string   `json:"errorType,omitempty"`
	Error     string   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

func writeJSON(w http.ResponseWriter, status int, e envelope) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(e)
}

func (s *Server) apiInstances(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		s.apiForget(w, r)
		return
	}
	writeJSON(w, http.StatusOK, envelope{Status: "success", Data: s.options.Federator.Instances()})
}

func apiUnknown(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusNotFound, envelope{Status: "error", ErrorType: "not_found", Error: "unknown path " + strconv.Quote(r.URL.Path)})
}

// finalStatus is the HTTP status of a final snapshot that was not taken.
var finalStatus = map[federator.FinalErrorKind]int{
	federator.FinalBad: http.StatusBadRequest, federator.FinalUnknown: http.StatusNotFound,
	federator.FinalTooLarge: http.StatusRequestEntityTooLarge, federator.FinalNotReady: http.StatusServiceUnavailable,
}

// final takes a worker's last snapshot.
func (s *Server) final(w http.ResponseWriter, r *http.Request) {
	final := federator.Final{
		Job: r.URL.Query().Get("job"), Instance: r.URL.Query().Get("instance"),
		ServiceID: r.Header.Get("X-Fedscrape-Worker"), ContentType: r.Header.Get("Content-Type"), Body: r.Body,
	}
	start, err := strconv.ParseFloat(r.Header.Get("X-Fedscrape-Start"), 64)
	coding := r.Header.Get("Content-Encoding")
	switch missing := missingParams(final.Job, final.Instance); {
	case missing != "":
		refuse(w, http.StatusBadRequest, "%s missing: want /api/v1/final?job=JOB&instance=INSTANCE", missing)
		return
	case final.ServiceID == "":
		refuse(w, http.StatusBadRequest, "the header X-Fedscrape-Worker is missing: the worker's service ID")
		return
	case err != nil || !(start > 0) || math.IsInf(start, 0):
		refuse(w, http.StatusBadRequest, "the header X-Fedscrape-Start is missing or wrong: want when the process started, in Unix seconds")
		return
	case coding != "" && coding != "identity":
		refuse(w, http.StatusBadRequest, "Content-Encoding %q cannot be read here: hand in the page as it is", coding)
		return
	}
	final.StartTime, final.Authenticated = start, s.authenticated(r)
	s.takeFinal(w, r, final)
}

func (s *Server) takeFinal(w http.ResponseWriter, r *http.Request, final federator.Final) {
	err := s.options.Federator.Final(r.Context(), final)
	var refused *federator.FinalError
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.As(err, &refused):
		refuse(w, finalStatus[refused.Kind], "%v", err)
	default:
		s.options.Logger.Error("Final snapshot has an error", "err", err)
		refuse(w, http.StatusInternalServerError, "%v", err)
	}
}
