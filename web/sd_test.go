package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/federator"
)

func someWorker() discovery.Worker {
	var w discovery.Worker
	w.Job, w.Instance, w.WorkerID = "webapp", "web1:8000", "17"
	w.Scheme, w.Address, w.MetricsPath = "http", "10.0.0.5:40001", "/metrics"
	w.Labels = map[string]string{"zone": "a", "worker_of_webapp": "17"}
	return w
}

// groups reads a list of target groups and checks that it is what Prometheus' http_sd takes.
func groups(t *testing.T, o Options, target string) []discovery.Group {
	t.Helper()
	w := ask(t, o, "GET", target)
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %q", w.Code, w.Body)
	}
	// The expression is that of Prometheus' discovery/http.
	if got := w.Header().Get("Content-Type"); !regexp.MustCompile(`^(?i:application\/json(;\s*charset=("utf-8"|utf-8))?)$`).MatchString(got) {
		t.Errorf("Prometheus refuses the Content-Type %q", got)
	}
	var list []discovery.Group
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestSDInstances(t *testing.T) {
	f := func(external, request, target, path, scheme string) {
		t.Helper()
		fake := &fakeFederator{workers: []discovery.Worker{someWorker()}, known: []discovery.InstanceID{{Job: "webapp", Instance: "web1:8000"}}}
		o := Options{Federator: fake}
		if external != "" {
			u, err := url.Parse(external)
			if err != nil {
				t.Fatal(err)
			}
			o.ExternalURL = u
		}
		want := []discovery.Group{{Targets: []string{target}, Labels: map[string]string{
			"__metrics_path__": path, "__scheme__": scheme, "__param_job": "webapp", "__param_instance": "web1:8000",
			"job": "webapp", "instance": "web1:8000", "zone": "a",
		}}}
		if diff := cmp.Diff(want, groups(t, o, request)); diff != "" {
			t.Error(diff)
		}
	}
	f("", "http://fed.example:9390/sd/instances", "fed.example:9390", "/merged", "http")
	f("", "https://fed.example/sd/instances", "fed.example:443", "/merged", "https")
	f("", "http://[::1]:9390/sd/instances", "[::1]:9390", "/merged", "http")
	f("https://metrics.example/fed", "http://10.0.0.1:9390/fed/sd/instances", "metrics.example:443", "/fed/merged", "https")
	f("https://alice:secret@metrics.example:8443//fed//", "http://h/fed/sd/instances", "metrics.example:8443", "/fed/merged", "https")
}

func TestSDInstancesWithoutWorkers(t *testing.T) {
	fake := &fakeFederator{known: []discovery.InstanceID{{Job: "webapp", Instance: "web1:8000"}}}
	if list := groups(t, Options{Federator: fake}, "http://h:1/sd/instances"); len(list) != 1 || list[0].Labels["instance"] != "web1:8000" {
		t.Errorf("an instance without workers must stay a target: %v", list)
	}
}

func TestSDWorkers(t *testing.T) {
	want := []discovery.Group{{Targets: []string{"10.0.0.5:40001"}, Labels: map[string]string{
		"__metrics_path__": "/metrics", "__scheme__": "http", "job": "webapp", "instance": "web1:8000", "zone": "a", "worker_of_webapp": "17",
	}}}
	if diff := cmp.Diff(want, groups(t, Options{Federator: &fakeFederator{workers: []discovery.Worker{someWorker()}}}, "/sd/workers")); diff != "" {
		t.Error(diff)
	}
}

func TestSDNarrowsToAJob(t *testing.T) {
	for path, want := range map[string][]string{
		"/sd/instances?job=webapp": {"webapp", "webapp"}, "/sd/instances": {"", ""},
		"/sd/workers?job=webapp": {"webapp"}, "/sd/workers": {""},
	} {
		fake := &fakeFederator{}
		groups(t, Options{Federator: fake}, path)
		if diff := cmp.Diff(want, fake.askedJobs); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestSDNone(t *testing.T) {
	for _, path := range []string{"/sd/instances", "/sd/workers"} {
		if w := ask(t, Options{}, "GET", path); w.Code != 200 || w.Body.String() != "[]\n" {
			t.Errorf("%s: got %d %q", path, w.Code, w.Body)
		}
	}
}

// Prometheus drops its targets on an empty list and keeps them on a 503.
func TestSDNotReady(t *testing.T) {
	fake := &fakeFederator{notYet: &federator.NotReadyError{Reason: `the service discovery of job "webapp" has not answered yet`}}
	for _, path := range []string{"/sd/instances", "/sd/workers"} {
		wantText(t, ask(t, Options{Federator: fake}, "GET", path), 503, `the service discovery of job "webapp" has not answered yet`+"\n")
	}
}
