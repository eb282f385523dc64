package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/fedscrape/fedscrape/federator"
)

const explainPath = "/api/v1/explain"

// A person looks at few series; a thousand workers' parts of each make many bytes.
const (
	explainLimit    = 1000
	maxExplainLimit = 100_000
)

// apiExplain says how the merged values of one metric come about.
func (s *Server) apiExplain(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	job, instance, metric := q.Get("job"), q.Get("instance"), q.Get("metric")
	missing := missingParams(job, instance)
	if missing == "" && metric == "" {
		missing = "metric is"
	}
	if missing != "" {
		badData(w, "%s missing: want %s?job=JOB&instance=INSTANCE&metric=METRIC", missing, explainPath)
		return
	}
	limit, err := limitOf(q.Get("limit"))
	if err != nil {
		badData(w, "%v", err)
		return
	}
	e, err := s.options.Federator.Explain(job, instance, metric, limit)
	if err != nil {
		s.apiError(w, err)
		return
	}
	answer := envelope{Status: "success", Data: e}
	if e.Total > len(e.Series) {
		answer.Warnings = []string{fmt.Sprintf("%d of %d series, the others are left out: narrow the metric, or raise limit (%d at most)",
			len(e.Series), e.Total, maxExplainLimit)}
	}
	writeJSON(w, http.StatusOK, answer)
}

func limitOf(text string) (int, error) {
	if text == "" {
		return explainLimit, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxExplainLimit {
		return 0, fmt.Errorf("limit %q: want a number of series from 1 to %d", text, maxExplainLimit)
	}
	return limit, nil
}

// badData answers 400 in the envelope, in Prometheus' words.
func badData(w http.ResponseWriter, format string, args ...any) {
	writeJSON(w, http.StatusBadRequest, envelope{Status: "error", ErrorType: "bad_data", Error: fmt.Sprintf(format, args...)})
}

// apiError answers in the envelope with what the federator does not know.
func (s *Server) apiError(w http.ResponseWriter, err error) {
	var instance *federator.UnknownInstanceError
	var metric *federator.UnknownMetricError
	var notReady *federator.NotReadyError
	status, errorType := http.StatusInternalServerError, "internal"
	switch {
	case errors.As(err, &instance), errors.As(err, &metric):
		status, errorType = http.StatusNotFound, "not_found"
	case errors.As(err, &notReady):
		status, errorType = http.StatusServiceUnavailable, "unavailable"
	default:
		s.options.Logger.Error("API has an error", "err", err)
	}
	writeJSON(w, status, envelope{Status: "error", ErrorType: errorType, Error: s.explainError(err)})
}

// explainError says what is known instead.
func (s *Server) explainError(err error) string {
	var instance *federator.UnknownInstanceError
	var metric *federator.UnknownMetricError
	switch {
	case errors.As(err, &instance):
		return s.unknownText(instance)
	case errors.As(err, &metric):
		return unknownMetricText(metric)
	}
	return err.Error()
}

func unknownMetricText(e *federator.UnknownMetricError) string {
	switch {
	case strings.HasPrefix(e.Metric, "fedscrape_"):
		return fmt.Sprintf("%v: the fedscrape_* series of a merged page are the federator's own, nothing is merged there", e)
	case e.Total == 0:
		return fmt.Sprintf("%v; the instance has none yet", e)
	}
	text := fmt.Sprintf("%v; known: %s", e, strings.Join(e.Known, ", "))
	if more := e.Total - len(e.Known); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
