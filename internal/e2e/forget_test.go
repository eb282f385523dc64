package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"testing"
)

// explained is an answer of /api/v1/explain.
type explained struct {
	Data struct {
		Type   string
		Series []struct {
			Labels        map[string]string
			Value, Ledger float64
			Parts         []struct{ Offset, Last float64 }
		}
	}
}

// explain gives a metric's explanation, and wants the parts to add up.
func (f *federator) explain(t *testing.T, metric string) (e explained) {
	t.Helper()
	query := url.Values{"job": {"webapp"}, "instance": {"web1:8000"}, "metric": {metric}}
	status, body := get(t.Context(), f.url+"/api/v1/explain?"+query.Encode())
	if err := json.Unmarshal([]byte(body), &e); err != nil || status != http.StatusOK || len(e.Data.Series) == 0 {
		t.Fatalf("%s: %d %v %s", metric, status, err, body)
	}
	for _, s := range e.Data.Series {
		total := s.Ledger
		for _, p := range s.Parts {
			total += p.Offset + p.Last
		}
		if total != s.Value {
			t.Errorf("%s is %v, its parts add up to %v: %s", metric, s.Value, total, body)
		}
	}
	return e
}

// TestForget has a person forget an instance's ledger while Prometheus scrapes it: one reset, and no burst.
func TestForget(t *testing.T) {
	const series = `reqs_total{view="fire",job="webapp",instance="web1:8000"}`
	f := serve(t, "", "")
	p := startPrometheus(t, f, "/sd/instances")
	_, app := f.gunicorn(t, "--max-requests", "60")
	f.awaitWorkers(t, 4)
	fire(t, app, 3)
	p.await(t, series, 3)
	load(t, app+"/fire", 400, 4) // some workers are recycled
	p.await(t, series, 403)
	if e := f.explain(t, "reqs_total"); e.Data.Type != "counter" || e.Data.Series[0].Value != 403 || !(e.Data.Series[0].Ledger > 0) {
		t.Errorf("explained as %+v", e)
	}
	out, err := exec.CommandContext(t.Context(), program, "ledger", "forget", "--federator.url="+f.url, "--job=webapp", "--instance=web1:8000").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.await(t, series, 0)
	if e := f.explain(t, "reqs_total"); e.Data.Series[0].Value != 0 || e.Data.Series[0].Ledger != 0 {
		t.Errorf("afterwards explained as %+v", e)
	}
	fire(t, app, 5)
	p.await(t, series, 5)
	p.await(t, `resets(`+series+`[10m])`, 1)
	values := p.query(t, series+"[10m]")[0].Values
	counted, before := number(values[0][1]), number(values[0][1])
	for _, v := range values {
		now := number(v[1])
		if now < before {
			before = 0
		}
		counted, before = counted+now-before, now
	}
	if counted != 408 {
		t.Errorf("Prometheus has counted %v of 408 requests", counted)
	}
}
