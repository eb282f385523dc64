package registry

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func init() {
	contract["heartbeats set the status"] = heartbeatsSetStatus
	contract["heartbeat of an unknown check"] = unknownCheck
	contract["check update is strict"] = checkUpdateStrict
	contract["TTL expires"] = ttlExpires
	contract["a new check without status is critical"] = newCheckCritical
	contract["heartbeats and re-registration restart the TTL"] = ttlRestarts
	contract["output is kept to 4 KiB"] = outputTruncated
}

func heartbeatsSetStatus(t *testing.T, p *peer) {
	p.register(t, `{"Name":"hb","Check":{"TTL":"60s","Status":"passing"}}`)
	p.wantStatus(t, "hb", "passing", "")
	f := func(path, body, status, output string) {
		t.Helper()
		a := p.ok(t, http.MethodPut, "/v1/agent/check/"+path, body)
		if a.body != "" {
			t.Errorf("%s: body %q", path, a.body)
		}
		p.wantStatus(t, "hb", status, output)
	}
	f("warn/service:hb?note=slow", "", "warning", "slow")
	f("fail/service:hb?note=dying", "", "critical", "dying")
	f("pass/service:hb", "", "passing", "")
	f("update/service:hb", `{"Status":"warning","Output":"o"}`, "warning", "o")
	f("update/service:hb", `{"status":"critical","output":"c"}`, "critical", "c")
	f("pass/service:hb?note=well+again", "", "passing", "well again")
	// A new note with the same status is known to the agent, not yet to the catalog.
	p.ok(t, http.MethodPut, "/v1/agent/check/pass/service:hb?note=newer", "")
	checks, err := p.client.Agent().Checks()
	if err != nil || checks["service:hb"].Output != "newer" || checks["service:hb"].Status != "passing" {
		t.Errorf("agent: %v %+v", err, checks["service:hb"])
	}
	p.wantStatus(t, "hb", "passing", "well again")
}

func unknownCheck(t *testing.T, p *peer) {
	const text = `Unknown check ID "%". Ensure that the check ID is passed, not the check name.`
	for _, verb := range []string{"pass", "warn", "fail", "update"} {
		for _, id := range []string{"service:nope", "serfHealth", ""} {
			a := p.do(t, http.MethodPut, "/v1/agent/check/"+verb+"/"+id, `{"Status":"passing"}`)
			if a.status != http.StatusNotFound || a.body != strings.ReplaceAll(text, "%", id) {
				t.Errorf("%s %s: %d %q", verb, id, a.status, a.body)
			}
		}
	}
}

func checkUpdateStrict(t *testing.T, p *peer) {
	p.register(t, `{"Name":"strict","Check":{"TTL":"60s"}}`)
	f := func(body, text string) {
		t.Helper()
		a := p.do(t, http.MethodPut, "/v1/agent/check/update/service:strict", body)
		if a.status != http.StatusBadRequest || !strings.HasPrefix(a.body, text) {
			t.Errorf("%s: %d %q", body, a.status, a.body)
		}
	}
	f(``, "Request decode failed: EOF")
	f(`{}`, "Invalid check status: ''")
	f(`{"Status":"bogus"}`, "Invalid check status: 'bogus'")
	f(`{"Status":"passing","Foo":1}`, `Request decode failed: json: unknown field "Foo"`)
	f(`{"Status":"passing","Output":5}`, "Request decode failed: json: cannot unmarshal number")
	p.wantStatus(t, "strict", "critical", "")
}

func newCheckCritical(t *testing.T, p *peer) {
	p.register(t, `{"Name":"newcheck","Check":{"TTL":"60s"}}`)
	p.wantStatus(t, "newcheck", "critical", "")
}

func ttlExpires(t *testing.T, p *peer) {
	const ttl = 15 * time.Second // long enough to ask in, on a machine that does other things, too
	start := time.Now()
	p.register(t, `{"Name":"ttl","Check":{"TTL":"15s","Status":"passing"}}`)
	p.wakes(t, "/v1/health/service/ttl", func() {})
	if elapsed := time.Since(start); elapsed < ttl {
		t.Errorf("woken %v after the registration", elapsed)
	}
	p.wantStatus(t, "ttl", "critical", "TTL expired")
	p.register(t, `{"Name":"ttl","Check":{"TTL":"15s","Status":"passing"}}`)
	p.wantStatus(t, "ttl", "critical", "TTL expired")
	p.ok(t, http.MethodPut, "/v1/agent/check/pass/service:ttl?note=back", "")
	p.wantStatus(t, "ttl", "passing", "back")
	p.wantStatus(t, "ttl", "critical", "TTL expired (last output before timeout follows): back")
}

func ttlRestarts(t *testing.T, p *peer) {
	const body = `{"Name":"NAME","Check":{"TTL":"30s","Status":"passing"}}`
	again, beaten := strings.Replace(body, "NAME", "restarts", 1), strings.Replace(body, "NAME", "beats", 1)
	p.register(t, again)
	p.register(t, beaten)
	for start := time.Now(); time.Since(start) < 35*time.Second; <-time.After(100 * time.Millisecond) {
		p.ok(t, http.MethodPut, "/v1/agent/service/register", again)
		p.ok(t, http.MethodPut, "/v1/agent/check/pass/service:beats", "")
		for _, name := range []string{"restarts", "beats"} {
			if status, _ := p.status(t, name); status != "passing" {
				t.Fatalf("%s: %s after %v", name, status, time.Since(start))
			}
		}
	}
	p.wantStatus(t, "restarts", "critical", "TTL expired")
	p.wantStatus(t, "beats", "critical", "TTL expired")
}

func outputTruncated(t *testing.T, p *peer) {
	p.register(t, `{"Name":"long","Check":{"TTL":"60s","Status":"passing"}}`)
	p.ok(t, http.MethodPut, "/v1/agent/check/update/service:long", `{"Status":"warning","Output":"x`+strings.Repeat("y", 4999)+`"}`)
	p.wantStatus(t, "long", "warning", "x"+strings.Repeat("y", 4095)+" ... (captured 4096 of 5000 bytes)")
	p.ok(t, http.MethodPut, "/v1/agent/check/fail/service:long?note=x"+strings.Repeat("z", 4999), "")
	p.wantStatus(t, "long", "critical", "x"+strings.Repeat("z", 4095)+" ... (captured 4096 of 5000 bytes)")
}

// reaping is a service that is critical for longer than it allows. It is begun before the cases that run together and looked after last: the real
// Consul takes more than a minute.
type reaping struct{ critical time.Time }

func (p *peer) startReaping(t *testing.T) reaping {
	t.Helper()
	p.register(t, `{"Name":"reaped","Check":{"TTL":"60m","DeregisterCriticalServiceAfter":"1s"}}`)
	critical := time.Now() // at the earliest
	p.ok(t, http.MethodPut, "/v1/agent/check/fail/service:reaped", "")
	p.register(t, `{"Name":"unreaped","Check":{"TTL":"60m"}}`)
	p.ok(t, http.MethodPut, "/v1/agent/check/fail/service:unreaped", "")
	return reaping{critical: critical}
}

func (p *peer) finishReaping(t *testing.T, r reaping) {
	if testing.Short() && p.reapFloor >= time.Minute {
		t.Skip("-short: a real Consul takes up to 90 s to remove a service")
	}
	for len(p.entries(t, "reaped")) > 0 {
		if elapsed := time.Since(r.critical); elapsed > p.reapLimit {
			t.Fatalf("there after %v", elapsed)
		}
		index := p.ok(t, http.MethodGet, "/v1/health/service/reaped", "").header.Get("X-Consul-Index")
		p.ok(t, http.MethodGet, "/v1/health/service/reaped?wait=5s&index="+index, "")
		if gone, elapsed := len(p.entries(t, "reaped")) == 0, time.Since(r.critical); gone && elapsed < p.reapFloor {
			t.Errorf("gone after %v", elapsed)
		}
	}
	if len(p.entries(t, "unreaped")) == 0 {
		t.Error("removed without DeregisterCriticalServiceAfter")
	}
}
