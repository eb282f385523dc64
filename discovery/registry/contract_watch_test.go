package registry

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	consulapi "github.com/hashicorp/consul/api"
)

func init() {
	contractAlone["who is woken by what"] = wakeUps
	contract["heartbeats wake nobody"] = heartbeatsWakeNobody
	contract["identical registration wakes nobody"] = identicalWakesNobody
	contractAlone["one registration, one wake-up"] = oneWakeUp
	contract["last entry removed while blocked"] = lastEntryRemoved
	contractAlone["absent service"] = absentService
	contract["filter and tag do not keep from waking"] = filteredWakes
	contract["index of another history"] = foreignIndex
	contract["Go client blocks"] = goClientBlocks
}

func wakeUps(t *testing.T, p *peer) {
	put := func(path string) func() { return func() { p.ok(t, http.MethodPut, path, "") } }
	registerPort := func(body string) func() {
		return func() { p.ok(t, http.MethodPut, "/v1/agent/service/register", body) }
	}
	warn, pass := put("/v1/agent/check/warn/service:wake"), put("/v1/agent/check/pass/service:wake")
	other, goes := registerPort(`{"Name":"wake-other"}`), put("/v1/agent/service/deregister/wake-other")
	p.register(t, `{"Name":"wake","Check":{"TTL":"60s","Status":"passing"}}`)

	const health, catalog = "/v1/health/service/wake", "/v1/catalog/service/wake"
	p.wakes(t, health, warn)
	p.wakes(t, health+"?passing", pass)
	p.wakes(t, "/v1/health/node/"+p.node, warn)
	p.staysBlocked(t, catalog, func() { pass(); warn() })
	for _, path := range []string{health, catalog, health + "?stale", health + "?consistent"} {
		p.wakesNot(t, path, func() { other(); goes() })
	}
	p.staysBlocked(t, "/v1/health/service/wake-absent", func() { other(); goes() })
	p.wakesNot(t, "/v1/health/node/"+p.node, other)
	goes()
	for _, path := range []string{"/v1/catalog/services", "/v1/catalog/node/" + p.node, "/v1/catalog/node-services/" + p.node} {
		p.wakesNot(t, path, func() { warn(); pass() })
		p.wakes(t, path, other)
		p.wakes(t, path, goes)
	}
	p.wakes(t, health, registerPort(`{"Name":"wake","Port":1}`))
	p.wakes(t, catalog, registerPort(`{"Name":"wake","Port":2}`))
	p.wakesNot(t, "/v1/catalog/node/absent", other)
	p.wakesNot(t, "/v1/catalog/node-services/absent", goes)
}

func heartbeatsWakeNobody(t *testing.T, p *peer) {
	p.register(t, `{"Name":"quiet","Check":{"TTL":"60s","Status":"passing"}}`)
	p.wakesNot(t, "/v1/health/service/quiet", func() {
		for i := range 10 {
			p.ok(t, http.MethodPut, "/v1/agent/check/pass/service:quiet", "")
			p.ok(t, http.MethodPut, "/v1/agent/check/pass/service:quiet?note="+strconv.Itoa(i), "")
		}
	})
}

func identicalWakesNobody(t *testing.T, p *peer) {
	const body = `{"Name":"same","Port":1,"Address":"127.0.0.1","Tags":["a"],"Meta":{"k":"v"},"Check":{"TTL":"60s","Status":"passing"}}`
	p.register(t, body)
	p.wakesNot(t, "/v1/health/service/same", func() {
		for range 5 {
			p.ok(t, http.MethodPut, "/v1/agent/service/register", body)
		}
	})
}

func oneWakeUp(t *testing.T, p *peer) {
	a := p.wakes(t, "/v1/health/service/once", func() {
		p.register(t, `{"Name":"once","Check":{"TTL":"60s","Status":"passing"}}`)
	})
	if now := p.ok(t, http.MethodGet, "/v1/health/service/once", ""); now.index() != a.index() {
		t.Errorf("woken with index %d, then %d: service and check were two changes", a.index(), now.index())
	}
}

func lastEntryRemoved(t *testing.T, p *peer) {
	for _, path := range []string{"/v1/health/service/last", "/v1/catalog/service/last", "/v1/health/service/last?passing"} {
		p.register(t, `{"Name":"last","Check":{"TTL":"60s","Status":"passing"}}`)
		a := p.wakes(t, path, func() { p.ok(t, http.MethodPut, "/v1/agent/service/deregister/last", "") })
		if a.body != "[]" {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func absentService(t *testing.T, p *peer) {
	for _, path := range []string{"/v1/health/service/absent", "/v1/catalog/service/absent", "/v1/health/node/absent"} {
		a := p.ok(t, http.MethodGet, path, "")
		if a.body != "[]" || a.index() == 0 || a.header.Get("X-Consul-LastContact") != "0" || a.header.Get("X-Consul-KnownLeader") != "true" {
			t.Errorf("%s: %s %v", path, a.body, a.header)
		}
	}
	a := p.wakes(t, "/v1/health/service/absent", func() { p.register(t, `{"Name":"absent"}`) })
	sameCount(t, a, 1)
	p.wakes(t, "/v1/catalog/service/absent-2", func() { p.register(t, `{"Name":"absent-2"}`) })
	p.sameJSON(t, p.ok(t, http.MethodGet, "/v1/catalog/node/absent", "").body, `null`)
	p.sameJSON(t, p.ok(t, http.MethodGet, "/v1/catalog/node-services/absent", "").body, `{"Node": null, "Services": null}`)
}

func filteredWakes(t *testing.T, p *peer) {
	p.register(t, `{"Name":"filtered","ID":"filtered-1","Tags":["a"]}`)
	a := p.wakes(t, "/v1/health/service/filtered?tag=a", func() { p.register(t, `{"Name":"filtered","ID":"filtered-2"}`) })
	sameCount(t, a, 1)
	const filter = "?filter=Service.ID==%22filtered-1%22"
	a = p.wakes(t, "/v1/health/service/filtered"+filter, func() { p.register(t, `{"Name":"filtered","ID":"filtered-3"}`) })
	sameCount(t, a, 1)
}

// foreignIndex: after a restart the index is lower than the one that a watcher has. The query blocks for its whole
// time, whatever happens, and then tells the lower index.
func foreignIndex(t *testing.T, p *peer) {
	p.register(t, `{"Name":"foreign","ID":"foreign-1"}`)
	done := make(chan answer, 1)
	index := strconv.FormatUint(p.ok(t, http.MethodGet, "/v1/health/service/foreign", "").index()+1_000_000, 10)
	go func() {
		done <- p.send(t.Context(), http.MethodGet, "/v1/health/service/foreign?wait=20s&index="+index, "")
	}()
	p.register(t, `{"Name":"foreign","ID":"foreign-2"}`)
	a := <-done
	if a.err != nil || a.elapsed < 20*time.Second || a.index() >= 1_000_000 {
		t.Errorf("answered after %v with index %d: %v", a.elapsed, a.index(), a.err)
	}
	sameCount(t, a, 2)
	if a := p.ok(t, http.MethodGet, "/v1/health/service/foreign?index=1&wait=60s", ""); a.index() < 2 {
		t.Errorf("index %d", a.index())
	}
}

func goClientBlocks(t *testing.T, p *peer) {
	p.register(t, `{"Name":"goblock","ID":"goblock-1"}`)
	_, meta, err := p.client.Health().ServiceMultipleTags("goblock", nil, false, nil)
	if err != nil || meta.LastIndex == 0 {
		t.Fatalf("%+v %v", meta, err)
	}
	type result struct {
		entries []*consulapi.ServiceEntry
		err     error
	}
	results := make(chan result, 1)
	go func() {
		options := &consulapi.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: time.Minute, AllowStale: true}
		entries, _, err := p.client.Health().ServiceMultipleTags("goblock", []string{}, false, options.WithContext(t.Context()))
		results <- result{entries, err}
	}()
	p.register(t, `{"Name":"goblock","ID":"goblock-2"}`)
	select {
	case r := <-results:
		if r.err != nil || len(r.entries) != 2 {
			t.Errorf("%d entries: %v", len(r.entries), r.err)
		}
	case <-time.After(answerTimeout):
		t.Fatal("not woken")
	}
}
