package discovery

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func static(addresses ...string) string {
	return fmt.Sprintf("static_configs: [{targets: [%s]}]", `"`+strings.Join(addresses, `", "`)+`"`)
}

func TestStaticWorkers(t *testing.T) {
	r := start(t, job(t, "webapp", `static_configs:
- targets: ["b:2", "a:1"]
  labels: {instance: "web1:8000", zone: x}
- targets: ["c:3"]
relabel_configs: [{source_labels: [__address__], regex: "(.):.*", target_label: worker_id}]`))
	got := r.await(t, "the workers", workers(3)).Workers
	for i, want := range []string{"a:1 web1:8000 a x", "b:2 web1:8000 b x", "c:3 c c "} {
		w := got[i]
		if s := strings.Join([]string{w.Key, w.Instance, w.WorkerID, w.Labels["zone"]}, " "); s != want {
			t.Errorf("worker %d: %q, want %q", i, s, want)
		}
	}
}

func TestTwoJobsAreToldApart(t *testing.T) {
	consul := newFakeConsul(t)
	consul.register("webapp", "web1", "10.0.0.5", 40001)
	r := start(t, job(t, "one", consul.sd(", services: [webapp]")), job(t, "two", static("a:1", "b:2")))
	counts := map[string]int{}
	r.await(t, "both", func(u Update) bool {
		for _, w := range u.Workers {
			if w.Job != u.Job {
				t.Errorf("worker of %s in an update of %s", w.Job, u.Job)
			}
		}
		counts[u.Job] = len(u.Workers)
		return counts["one"] == 1 && counts["two"] == 2
	})
	consul.register("webapp", "web1", "10.0.0.5", 40002)
	if u := r.await(t, "the new worker", workers(2)); u.Job != "one" {
		t.Errorf("update of job %s", u.Job)
	}
	if err := testutil.GatherAndCompare(r.registry, strings.NewReader(`
# HELP fedscrape_discovery_errors_total Questions of a job's service discovery that went without a good answer.
# TYPE fedscrape_discovery_errors_total counter
fedscrape_discovery_errors_total{job="one"} 0
fedscrape_discovery_errors_total{job="two"} 0
`), "fedscrape_discovery_errors_total"); err != nil {
		t.Error(err)
	}
	if n := testutil.ToFloat64(r.metrics.updates.WithLabelValues("one")); n != 2 {
		t.Errorf("%v updates of job one", n)
	}
}

// Until each source has answered once, nothing in a list means that a worker has gone.
func TestAnsweredWaitsForEachSource(t *testing.T) {
	consul := newFakeConsul(t)
	consul.spoilWith(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusInternalServerError)
		return true
	})
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp, other]")+"\n"+static("a:1")))
	if u := r.await(t, "the error", func(u Update) bool { return u.Err != nil && len(u.Workers) == 1 }); u.Answered {
		t.Error("answered, although Consul has not")
	}
	half := make(chan struct{}, 100)
	consul.spoilWith(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/other") {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		half <- struct{}{}
		return false
	})
	<-half
	consul.spoilWith(nil)
	for {
		u := r.await(t, "all to answer", func(Update) bool { return true })
		if u.Answered && u.Err == nil {
			break
		}
		if u.Answered {
			t.Fatalf("answered with %v", u.Err)
		}
	}
}

func TestEqualContentIsNotTold(t *testing.T) {
	consul := newFakeConsul(t)
	consul.register("webapp", "web1", "10.0.0.5", 40001)
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")))
	r.await(t, "the worker", workers(1))
	before := len(consul.asked("/v1/health/"))
	consul.change(func() {}) // the index goes on, the list is the same
	attempts(t, consul, before+2)
	r.quiet(t, 0)
}

func TestTargetLimitKeepsTheLastList(t *testing.T) {
	consul := newFakeConsul(t)
	consul.register("webapp", "web1", "10.0.0.5", 1)
	consul.register("webapp", "web1", "10.0.0.5", 2)
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")+"\ntarget_limit: 2"))
	r.await(t, "two workers", workers(2))
	consul.register("webapp", "web1", "10.0.0.5", 3)
	u := r.await(t, "the error", failing)
	if len(u.Workers) != 2 || !u.Answered || !strings.Contains(u.Err.Error(), "target_limit") {
		t.Errorf("%+v", u)
	}
	consul.change(func() { consul.services["webapp"] = consul.services["webapp"][1:] })
	if u := r.await(t, "less", workers(2)); u.Workers[0].ServiceID != "webapp-2" {
		t.Errorf("%+v", u)
	}
}

// A first list that is over the limit is no answer: nothing may depart by it.
func TestFirstListOverTheLimitIsNoAnswer(t *testing.T) {
	r := start(t, job(t, "webapp", static("a:1", "b:2")+"\ntarget_limit: 1"))
	if u := r.await(t, "the error", failing); u.Answered || len(u.Workers) != 0 {
		t.Errorf("%+v", u)
	}
}

func TestApplyKeepsWhatIsTheSame(t *testing.T) {
	consul := newFakeConsul(t)
	consul.register("webapp", "web1", "10.0.0.5", 40001)
	sd := consul.sd(", services: [webapp], tags: [x]")
	rules := "\nrelabel_configs: [{target_label: zone, replacement: %s, source_labels: [__meta_consul_dc], regex: 'dc(.)'}]"
	r := start(t, job(t, "webapp", sd+fmt.Sprintf(rules, "a")))
	r.await(t, "the worker", workers(1))
	attempts(t, consul, 2) // the second one waits for a change
	r.Apply([]Job{job(t, "webapp", sd+fmt.Sprintf(rules, "a"))})
	r.quiet(t, 0)
	r.Apply([]Job{job(t, "webapp", sd+fmt.Sprintf(rules, "b"))})
	if u := r.await(t, "the new label", workers(1)); u.Workers[0].Labels["zone"] != "b" {
		t.Errorf("%+v", u)
	}
	if n := len(consul.asked("/v1/health/")); n != 2 {
		t.Errorf("asked %d times, the watch was not kept", n)
	}
}

func TestApplyStopsAndStarts(t *testing.T) {
	consul := newFakeConsul(t)
	consul.register("webapp", "web1", "10.0.0.5", 40001)
	consul.register("other", "web1", "10.0.0.5", 40002)
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")), job(t, "gone", static("a:1")))
	got := map[string]bool{}
	r.await(t, "both jobs", func(u Update) bool { got[u.Job] = u.Answered; return got["webapp"] && got["gone"] })
	r.Apply([]Job{job(t, "webapp", consul.sd(", services: [other]")), job(t, "new", static("b:1"))})
	got = map[string]bool{}
	r.await(t, "both jobs", func(u Update) bool {
		if u.Answered && u.Job == "webapp" {
			got[u.Job] = u.Workers[0].ServiceID == "other-40002"
		}
		if u.Job == "new" {
			got[u.Job] = u.Answered
		}
		return got["webapp"] && got["new"]
	})
	before := len(consul.asked("/v1/health/service/webapp"))
	consul.register("webapp", "web1", "10.0.0.5", 40003)
	r.quiet(t, 300*time.Millisecond)
	if n := len(consul.asked("/v1/health/service/webapp")); n != before {
		t.Error("the old watch goes on")
	}
	if n := testutil.CollectAndCount(r.metrics.updates); n != 2 {
		t.Errorf("%d jobs in the metrics", n)
	}
}

// Who is missing from the first whole list after a change of the configuration was taken away by it, also where a new
// source has to answer first; who is missing later has gone by itself, and so has who is missing at the start.
func TestApplyTellsWhoWasTakenAway(t *testing.T) {
	consul := newFakeConsul(t)
	consul.register("webapp", "web1", "10.0.0.5", 40001)
	r := start(t, job(t, "webapp", static("a:1", "b:1")))
	f := func(what, config string, n int, want bool) {
		t.Helper()
		if config != "" {
			r.Apply([]Job{job(t, "webapp", config)})
		}
		if u := r.await(t, what, workers(n)); u.Reconfigured != want {
			t.Errorf("%s: reconfigured is %t", what, u.Reconfigured)
		}
	}
	f("the first list", "", 2, false)
	f("a target less", static("a:1"), 1, true)
	f("another discovery", consul.sd(", services: [webapp]"), 1, true)
	f("a rule that drops it", consul.sd(", services: [webapp]")+"\nrelabel_configs: [{action: drop, source_labels: [__meta_consul_service], regex: webapp}]", 0, true)
	f("no rule", consul.sd(", services: [webapp]"), 1, true)
	consul.change(func() { consul.services = nil })
	f("an empty registry", "", 0, false)
}

// patience is what an end may take on a busy machine; what waits in vain waits for minutes, or for ever.
const patience = 10 * time.Second

func TestNothingIsToldAfterTheEnd(t *testing.T) {
	consul := newFakeConsul(t)
	r := start(t, job(t, "webapp", consul.sd(", services: [webapp]")))
	r.await(t, "an answer", workers(0))
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > patience {
		t.Errorf("took %v to end", took)
	}
	r.Apply([]Job{job(t, "new", static("b:1"))})
	r.quiet(t, 0)
}

func TestStopWhileConsulIsAway(t *testing.T) {
	r := start(t, job(t, "webapp", `consul_sd_configs: [{server: "127.0.0.1:1", services: [webapp]}]`))
	u := r.await(t, "the error", failing)
	if !strings.Contains(u.Err.Error(), "connection refused") {
		t.Errorf("error %v", u.Err)
	}
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > patience {
		t.Errorf("took %v to end", took)
	}
}

func TestJobWithoutSourcesAnswers(t *testing.T) {
	start(t, job(t, "webapp", "")).await(t, "an answer", workers(0))
}

func TestTwoSourcesOfOneWorkerAreOne(t *testing.T) {
	consul := newFakeConsul(t)
	consul.register("webapp", "web1", "10.0.0.5", 40001)
	sd := strings.TrimSuffix(consul.sd(", services: [webapp]"), "]")
	r := start(t, job(t, "webapp", sd+", "+strings.TrimPrefix(sd, "consul_sd_configs: [")+"]"))
	r.await(t, "one worker", workers(1))
	if log := r.log.String(); strings.Contains(log, "left out") {
		t.Errorf("log:\n%s", log)
	}
}

func TestManyProblemsAreNotAllNamed(t *testing.T) {
	var bad []string
	for i := range 30 {
		bad = append(bad, fmt.Sprintf("h%d:0", i))
	}
	r := start(t, job(t, "webapp", static(append(bad, "a:1")...)))
	r.await(t, "the good worker", workers(1))
	if log := r.log.String(); strings.Count(log, `"Target left out"`) != loggedProblems || !strings.Contains(log, "count=20") {
		t.Errorf("log:\n%s", log)
	}
}

func TestManagerWithoutLoggerAndRegisterer(t *testing.T) {
	updates := make(chan Update, 10)
	m := NewManager([]Job{job(t, "webapp", static("a:1"))}, nil, nil, func(u Update) { updates <- u })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- m.Run(ctx) }()
	for u := range updates {
		if len(u.Workers) == 1 {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
