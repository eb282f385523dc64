package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fedscrape/fedscrape/federator"
)

func TestAPIExplain(t *testing.T) {
	fake := &fakeFederator{explain: func(job, instance, metric string, limit int) (*federator.Explanation, error) {
		if job != "webapp" || instance != "web1:8000" || metric != "reqs_total" || limit != explainLimit {
			t.Errorf("asked for %q %q %q %d", job, instance, metric, limit)
		}
		return &federator.Explanation{Metric: "reqs_total", Type: "counter", Total: 2, Series: []federator.ExplainedSeries{
			{Labels: map[string]string{"view": "fire"}, Value: 30, Ledger: 5, Parts: []federator.ExplainedPart{{WorkerID: "17", Last: 12, State: "up"}}},
			{
				Labels: map[string]string{}, Value: federator.Number(math.NaN()), Ledger: federator.Number(math.Inf(1)),
				Parts: []federator.ExplainedPart{{Offset: 1.5, Last: federator.Number(math.Inf(-1))}},
			},
		}}, nil
	}}
	w := ask(t, Options{Federator: fake}, "GET", "/api/v1/explain?job=webapp&instance=web1:8000&metric=reqs_total")
	const want = `{"status":"success","data":{"metric":"reqs_total","type":"counter","mode":"","modeFrom":"","series":[` +
		`{"labels":{"view":"fire"},"value":30,"ledger":5,"parts":[{"workerId":"17","offset":0,"last":12,"state":"up"}]},` +
		`{"labels":{},"value":"NaN","ledger":"+Inf","parts":[{"workerId":"","offset":1.5,"last":"-Inf","state":""}]}]}}` + "\n"
	if diff := cmp.Diff(want, w.Body.String()); w.Code != 200 || diff != "" {
		t.Errorf("%d %s", w.Code, diff)
	}
}

// apiAnswer is an answer of the API.
type apiAnswer struct {
	Status, ErrorType, Error string
	Warnings                 []string
}

func wantAPIError(t *testing.T, o Options, method, target string, status int, errorType, text string) {
	t.Helper()
	w := ask(t, o, method, target)
	var got apiAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%s %s: %v in %q", method, target, err, w.Body)
	}
	if diff := cmp.Diff(apiAnswer{Status: "error", ErrorType: errorType, Error: text}, got); w.Code != status || diff != "" {
		t.Errorf("%s %s: %d %s", method, target, w.Code, diff)
	}
}

func TestAPIExplainIncomplete(t *testing.T) {
	f := func(query, text string) {
		t.Helper()
		wantAPIError(t, Options{}, "GET", "/api/v1/explain?"+query, 400, "bad_data", text)
	}
	const want = " missing: want /api/v1/explain?job=JOB&instance=INSTANCE&metric=METRIC"
	f("", "job and instance are"+want)
	f("instance=i&metric=m", "job is"+want)
	f("job=j&metric=m", "instance is"+want)
	f("job=j&instance=i", "metric is"+want)
	for _, limit := range []string{"0", "-1", "x", "100001", "1e3"} {
		f("job=j&instance=i&metric=m&limit="+limit, fmt.Sprintf("limit %q: want a number of series from 1 to 100000", limit))
	}
}

func TestAPIExplainErrors(t *testing.T) {
	f := func(err error, status int, errorType, text string) {
		t.Helper()
		fake := &fakeFederator{explain: func(string, string, string, int) (*federator.Explanation, error) { return nil, err }}
		wantAPIError(t, Options{Federator: fake}, "GET", "/api/v1/explain?job=j&instance=i&metric=m", status, errorType, text)
	}
	f(&federator.UnknownInstanceError{Job: "j", Instance: "i", Known: []string{"web1"}, Total: 1}, 404, "not_found", `unknown instance "i" of job "j"; known: web1`)
	f(&federator.UnknownMetricError{Metric: "m", Known: []string{"a", "b"}, Total: 5}, 404, "not_found", `unknown metric "m"; known: a, b and 3 more`)
	f(&federator.UnknownMetricError{Metric: "m"}, 404, "not_found", `unknown metric "m"; the instance has none yet`)
	f(&federator.UnknownMetricError{Metric: "fedscrape_workers", Known: []string{"a"}, Total: 1}, 404, "not_found",
		`unknown metric "fedscrape_workers": the fedscrape_* series of a merged page are the federator's own, nothing is merged there`)
	f(&federator.NotReadyError{Reason: "the ledger is not open yet"}, 503, "unavailable", "the ledger is not open yet")
	f(errors.New("disk is on fire"), 500, "internal", "disk is on fire")
}

func TestAPIExplainCut(t *testing.T) {
	fake := &fakeFederator{explain: func(_, _, _ string, limit int) (*federator.Explanation, error) {
		return &federator.Explanation{Total: 9, Series: make([]federator.ExplainedSeries, limit)}, nil
	}}
	f := func(limit, want string) {
		t.Helper()
		w := ask(t, Options{Federator: fake}, "GET", "/api/v1/explain?job=j&instance=i&metric=m&limit="+limit)
		var got apiAnswer
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || strings.Join(got.Warnings, "") != want {
			t.Errorf("limit %s: %v %q", limit, err, got.Warnings)
		}
	}
	f("9", "")
	f("8", "8 of 9 series, the others are left out: narrow the metric, or raise limit (100000 at most)")
}
