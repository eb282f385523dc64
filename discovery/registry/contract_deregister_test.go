package registry

import (
	"net/http"
	"testing"

	consulapi "github.com/hashicorp/consul/api"
)

func init() {
	contract["deregistration"] = deregistration
	contract["IDs that need escaping"] = escapedIDs
}

func deregistration(t *testing.T, p *peer) {
	f := func(path string) {
		t.Helper()
		a := p.do(t, http.MethodPut, "/v1/agent/service/deregister/"+path, "")
		if a.status != http.StatusNotFound || a.body != `Unknown service ID "`+path+`". Ensure that the service ID is passed, not the service name.` {
			t.Errorf("%q: %d %q", path, a.status, a.body)
		}
	}
	f("nope")
	f("")
	p.register(t, `{"Name":"goes","ID":"goes-1","Check":{"TTL":"60s"}}`)
	f("goes")
	p.ok(t, http.MethodPut, "/v1/agent/service/deregister/goes-1", "")
	f("goes-1")
	if a := p.do(t, http.MethodPut, "/v1/agent/check/pass/service:goes-1", ""); a.status != http.StatusNotFound {
		t.Errorf("the check outlives its service: %d", a.status)
	}
}

func escapedIDs(t *testing.T, p *peer) {
	p.register(t, `{"Name":"esc","ID":"esc","Port":1}`)
	p.ok(t, http.MethodPut, "/v1/agent/service/register", `{"Name":"esc","ID":"a b/c:é","Port":3,"Check":{"TTL":"60s"}}`)
	for _, escaped := range []string{"a%20b%2Fc:%C3%A9", "a%20b/c%3A%c3%a9"} {
		p.ok(t, http.MethodPut, "/v1/agent/check/pass/service:"+escaped, "")
		p.ok(t, http.MethodGet, "/v1/agent/service/"+escaped, "")
	}
	p.ok(t, http.MethodPut, "/v1/agent/service/deregister/a%20b%2Fc:%C3%A9", "")
	a := p.do(t, http.MethodGet, "/v1/agent/service/a%20b%2Fc", "")
	if a.status != http.StatusNotFound || a.body != "unknown service ID: a b/c" {
		t.Errorf("%d %q", a.status, a.body)
	}
	for _, id := range []string{"/x:y", "q?#%22"} {
		if err := p.client.Agent().ServiceRegister(&consulapi.AgentServiceRegistration{Name: "esc", ID: "esc" + id}); err != nil {
			t.Error(err)
		}
		if err := p.client.Agent().ServiceDeregister("esc" + id); err != nil {
			t.Error(err)
		}
	}
}
