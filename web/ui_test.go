package web

import (
	"errors"
	"math"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/federator"
)

func TestPageForPeople(t *testing.T) {
	at := time.Now().Add(-90 * time.Second)
	fake := &fakeFederator{instances: []federator.InstanceStatus{
		{
			Job: "webapp", Instance: "web1:8000&x", Series: 2070, Departed: 3, LastRound: &at, LastRoundSeconds: 0.25,
			Workers: []federator.WorkerStatus{
				{WorkerID: "0", ServiceID: "webapp-h-1", Address: "10.0.0.5:40001", State: "up", LastScrape: &at, Samples: 11, Bytes: 222},
				{WorkerID: "1", ServiceID: "webapp-h-2", Address: "10.0.0.5:40002", State: "failed", Error: "connection refused"},
			},
		},
		{Job: "batch", Instance: "b", LedgerError: "no space left on device"},
	}}
	w := ask(t, Options{Federator: fake, ExternalURL: &url.URL{Scheme: "http", Host: "h", Path: "/fed"}}, "GET", "/fed/")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("got %d %q", w.Code, w.Header().Get("Content-Type"))
	}
	for _, want := range []string{
		`href="/fed/merged?instance=web1%3A8000%26x&amp;job=webapp"`, `href="/fed/metrics"`, `href="/fed/sd/instances"`, `href="/fed/sd/workers"`,
		`href="/fed/api/v1/instances"`, "1 of 2 workers up, 3 departed", "2070 series", "last round 1m30s ago", "10.0.0.5:40001", "connection refused",
		`<form action="/fed/">`, `name="instance" value="web1:8000&amp;x"`, `class="failed"`, "0 of 0 workers up", "last round never",
		"The ledger lacks what the last page shows: no space left on device.",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s is not on the page:\n%s", want, w.Body)
		}
	}
	if n := strings.Count(w.Body.String(), `<p class="warning">`); n != 1 {
		t.Errorf("%d warnings", n)
	}
	if found := regexp.MustCompile(`(?i)<script|<link|src=|https?://|\son\w+=`).FindString(w.Body.String()); found != "" {
		t.Errorf("the page needs %q: it has to work without scripts and without other sites", found)
	}
}

// TestPageShowsALedgerInNeed says of which instance the ledger lacks something, and why.
func TestPageShowsALedgerInNeed(t *testing.T) {
	fake := &fakeFederator{instances: []federator.InstanceStatus{
		{Job: "webapp", Instance: "a", LedgerError: "no space left on <device>"}, {Job: "webapp", Instance: "b"},
	}}
	body := ask(t, Options{Federator: fake}, "GET", "/").Body.String()
	warning := strings.Index(body, `<p class="warning">The ledger lacks what the last page shows: no space left on &lt;device&gt;.</p>`)
	if a, b := strings.Index(body, ">a</a>"), strings.Index(body, ">b</a>"); a < 0 || warning < a || b < warning {
		t.Errorf("the warning is not with its instance:\n%s", body)
	}
	if n := strings.Count(body, "The ledger lacks"); n != 1 {
		t.Errorf("%d warnings", n)
	}
}

// Whatever a worker calls itself or answers is shown, never run.
func TestPageEscapes(t *testing.T) {
	const evil = `"><script>alert(1)</script>`
	fake := &fakeFederator{
		notYet: errors.New(evil),
		instances: []federator.InstanceStatus{{Job: "javascript:" + evil, Instance: evil, LedgerError: evil, Workers: []federator.WorkerStatus{
			{WorkerID: evil, ServiceID: evil, Address: evil, State: evil, Error: evil},
		}}},
	}
	w := ask(t, Options{Federator: fake}, "GET", "/")
	if body := w.Body.String(); strings.Contains(body, "<script") || strings.Contains(body, `href="javascript`) || strings.Contains(body, `""`) {
		t.Errorf("not escaped:\n%s", body)
	}
	if got := strings.Count(w.Body.String(), "&lt;script&gt;"); got < 7 {
		t.Errorf("shown %d times only", got)
	}
	for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"} {
		if got := w.Header().Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q", name, got)
		}
	}
}

func TestPageWithoutInstances(t *testing.T) {
	w := ask(t, Options{Federator: &fakeFederator{notYet: &federator.NotReadyError{Reason: "Consul has not answered yet"}}}, "GET", "/")
	for _, want := range []string{"No instance is known yet", "Not complete yet: Consul has not answered yet."} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q is not on the page", want)
		}
	}
}

func TestPageShowsNoSecret(t *testing.T) {
	w := ask(t, Options{ExternalURL: &url.URL{Scheme: "http", Host: "h", Path: "/p", User: url.UserPassword("alice", "secret")}}, "GET", "/p/")
	if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "alice") {
		t.Error("the external URL's password is on the page")
	}
}

// TestPageExplains shows what a metric is made of to who asks by the form.
func TestPageExplains(t *testing.T) {
	fake := &fakeFederator{explain: func(job, instance, metric string, limit int) (*federator.Explanation, error) {
		if job != "webapp" || instance != "web1:8000" || metric != "reqs_total" || limit != uiExplainLimit {
			t.Errorf("asked for %q %q %q %d", job, instance, metric, limit)
		}
		return &federator.Explanation{Metric: metric, Type: "gauge", Mode: "sum", ModeFrom: "hint", Total: 7, Series: []federator.ExplainedSeries{{
			Labels: map[string]string{"view": "fire"}, Value: federator.Number(math.Inf(1)), Ledger: 5,
			Parts: []federator.ExplainedPart{{WorkerID: "17", Offset: 7, Last: 12.5, State: "departed"}},
		}}}, nil
	}}
	w := ask(t, Options{Federator: fake}, "GET", "/?job=webapp&instance=web1:8000&metric=reqs_total")
	for _, want := range []string{
		"gauge, mode sum (by hint) in webapp web1:8000, 1 of 7 series", `view=&#34;fire&#34;`, `<td class="n">&#43;Inf</td>`, `<td class="n">5</td>`,
		`<span class="departed" title="departed">17: 7 + 12.5</span>`, `href="/api/v1/explain?instance=web1%3A8000&amp;job=webapp&amp;metric=reqs_total"`,
	} {
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s is not on the page: %d\n%s", want, w.Code, w.Body)
		}
	}
}

func TestPageExplainsEscaped(t *testing.T) {
	const evil = `"><script>alert(1)</script>`
	fake := &fakeFederator{explain: func(_, _, metric string, _ int) (*federator.Explanation, error) {
		if metric != evil {
			return nil, &federator.UnknownMetricError{Metric: metric, Known: []string{evil}, Total: 1}
		}
		return &federator.Explanation{Type: evil, Mode: evil, ModeFrom: evil, Series: []federator.ExplainedSeries{{
			Labels: map[string]string{evil: evil}, Parts: []federator.ExplainedPart{{WorkerID: evil, State: evil}},
		}}}, nil
	}}
	f := func(metric string, least int) {
		t.Helper()
		w := ask(t, Options{Federator: fake}, "GET", "/?"+url.Values{"job": {evil}, "instance": {evil}, "metric": {metric}}.Encode())
		if got := strings.Count(w.Body.String(), "script&gt;"); got < least || strings.Contains(w.Body.String(), "<script") {
			t.Errorf("%q: shown %d times:\n%s", metric, got, w.Body)
		}
	}
	f(evil, 2*9)
	f(evil+"x", 2*2)
}
