package registry

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func init() {
	contract["nodes and datacenters"] = nodesAndDatacenters
	contract["checks by service and state"] = checksByServiceAndState
	contract["health of one agent's services"] = agentHealth
	contract["service maintenance"] = maintained
	contract["members and peers"] = membersAndPeers
	contractAlone["who is woken by checks"] = checkWakeUps
}

func nodesAndDatacenters(t *testing.T, p *peer) {
	nodes := func(query string) string { return p.ok(t, http.MethodGet, "/v1/catalog/nodes?"+query, "").body }
	p.sameJSON(t, nodes("filter=Node==%22"+p.node+"%22"), `[`+recordedNode+`]`)
	p.sameJSON(t, nodes("filter=Meta.rack==1"), `[]`)
	p.sameJSON(t, nodes("node-meta=rack:1"), `[]`)
	if a := p.do(t, http.MethodGet, "/v1/catalog/nodes?filter=Service==x", ""); a.status != 500 ||
		!strings.HasPrefix(a.body, `Failed to create boolean expression evaluator: Selector "Service" is not valid`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	p.sameJSON(t, p.ok(t, http.MethodGet, "/v1/catalog/datacenters", "").body, `["dc1"]`)
	if datacenters, err := p.client.Catalog().Datacenters(); err != nil || len(datacenters) != 1 {
		t.Errorf("%v %v", datacenters, err)
	}
	all, meta, err := p.client.Catalog().Nodes(nil)
	if err != nil || len(all) == 0 || meta.LastIndex == 0 {
		t.Errorf("%v %+v %v", all, meta, err)
	}
}

// checkIDs are the checks of an answer that belong to the case, in the answer's order.
func (p *peer) checkIDs(t *testing.T, path, prefix string) []string {
	t.Helper()
	var checks []struct{ CheckID string }
	if err := json.Unmarshal([]byte(p.ok(t, http.MethodGet, "/v1/health/"+path, "").body), &checks); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range checks {
		if strings.HasPrefix(c.CheckID, prefix) {
			ids = append(ids, c.CheckID)
		}
	}
	return ids
}

func checksByServiceAndState(t *testing.T, p *peer) {
	p.register(t, `{"Name":"cs","ID":"cs-1","Checks":[{"CheckID":"cs:a","TTL":"60s","Status":"passing"},{"CheckID":"cs:b","TTL":"60s"}]}`)
	p.register(t, `{"Name":"cs","ID":"cs-2","Check":{"CheckID":"cs:c","TTL":"60s","Status":"warning"}}`)
	p.eventually(t, "three checks", func() bool { return len(p.checkIDs(t, "checks/cs", "cs:")) == 3 })
	f := func(path string, want ...string) {
		t.Helper()
		if got := p.checkIDs(t, path, "cs:"); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	f("checks/cs", "cs:a", "cs:b", "cs:c")
	f("checks/cs?filter=Status==passing", "cs:a")
	f("checks/cs?filter=Interval==x")
	f("checks/cs?node-meta=rack:1")
	f("checks/cs-none")
	f("state/any", "cs:a", "cs:b", "cs:c")
	f("state/passing", "cs:a")
	f("state/warning", "cs:c")
	f("state/critical", "cs:b")
	f("state/bogus")
	f("state/any?filter=ServiceID==%22cs-2%22", "cs:c")
	f("state/any?node-meta=rack:1")
	if ids := p.checkIDs(t, "state/passing", "serfHealth"); len(ids) == 0 {
		t.Error("the node's own check is not told")
	}
	p.sameJSON(t, p.ok(t, http.MethodGet, "/v1/health/checks/cs?filter=CheckID==%22cs:c%22", "").body, `[{"Node": "NODE", "CheckID": "cs:c",
		"Name": "Service 'cs' check", "Status": "warning", "Notes": "", "Output": "", "ServiceID": "cs-2", "ServiceName": "cs", "ServiceTags": [],
		"Type": "ttl", "Interval": "", "Timeout": "", "ExposedPort": 0, "Definition": {}, "CreateIndex": 1, "ModifyIndex": 1}]`)
	for path, text := range map[string]string{"checks/": "Missing service name", "state/": "Missing check state"} {
		if a := p.do(t, http.MethodGet, "/v1/health/"+path, ""); a.status != 400 || a.body != text {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func checkWakeUps(t *testing.T, p *peer) {
	p.register(t, `{"Name":"cw","Check":{"TTL":"60s","Status":"passing"}}`)
	p.register(t, `{"Name":"cw-other","Check":{"TTL":"60s","Status":"passing"}}`)
	beat := func(path string) func() {
		return func() { p.ok(t, http.MethodPut, "/v1/agent/check/"+path, "") }
	}
	p.wakes(t, "/v1/health/checks/cw", beat("warn/service:cw"))
	p.staysBlocked(t, "/v1/health/checks/cw", func() { beat("warn/service:cw-other")(); beat("pass/service:cw-other")() })
	for _, state := range []string{"any", "passing", "critical"} {
		p.wakes(t, "/v1/health/state/"+state, beat("fail/service:cw"))
		p.wakes(t, "/v1/health/state/"+state, beat("pass/service:cw"))
	}
	p.wakesNot(t, "/v1/health/state/any", func() {
		p.ok(t, http.MethodPut, "/v1/agent/service/register", `{"Name":"cw-plain"}`)
	})
	p.ok(t, http.MethodPut, "/v1/agent/service/deregister/cw-plain", "")
	p.wakesNot(t, "/v1/catalog/nodes", func() { beat("warn/service:cw")(); beat("pass/service:cw")() })
}

func agentHealth(t *testing.T, p *peer) {
	const path = "/v1/agent/health/service/"
	f := func(query string, status int, text string) {
		t.Helper()
		a := p.do(t, http.MethodGet, path+query, "")
		if a.status != status || a.body != text {
			t.Errorf("%s: %d %q, want %d %q", query, a.status, a.body, status, text)
		}
	}
	f("id/", 500, "Missing serviceID")
	f("name/", 500, "Missing service Name")
	p.sameJSON(t, p.do(t, http.MethodGet, path+"id/no-such", "").body, `{"AggregatedStatus":"critical","Service":null,"Checks":null}`)
	f("name/no-such", 404, "[]")
	f("id/no-such?format=text", 404, "ServiceId no-such not found")
	f("name/no-such?format=text", 404, "ServiceName no-such Not Found")
	p.register(t, `{"Name":"ah","ID":"ah-1","Check":{"TTL":"60s","Status":"passing"}}`)
	p.register(t, `{"Name":"ah","ID":"ah-2","Check":{"TTL":"60s","Status":"warning"}}`)
	f("id/ah-1?format=text", 200, "passing")
	f("id/ah-2?format=text", 429, "warning")
	f("name/ah?format=text", 429, "warning")
	p.ok(t, http.MethodPut, "/v1/agent/check/fail/service:ah-1", "")
	f("name/ah?format=text", 503, "critical")
	a := p.do(t, http.MethodGet, path+"id/ah-2", "")
	if a.status != 429 {
		t.Errorf("%d", a.status)
	}
	p.sameJSON(t, a.body, `{"AggregatedStatus": "warning", "Service": {"ID": "ah-2", "Service": "ah", "Tags": [], "Meta": {}, "Port": 0, "Address": "",
		"Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": false, "Datacenter": "dc1"}, "Checks": [{"Node": "NODE", "CheckID":
		"service:ah-2", "Name": "Service 'ah' check", "Status": "warning", "Notes": "", "Output": "", "ServiceID": "ah-2", "ServiceName": "ah",
		"ServiceTags": null, "Type": "", "ExposedPort": 0, "Definition": {"Interval": "0s", "Timeout": "0s", "DeregisterCriticalServiceAfter": "0s",
		"HTTP": "", "Header": null, "Method": "", "Body": "", "TLSServerName": "", "TLSSkipVerify": false, "TCP": "", "TCPUseTLS": false, "UDP": "",
		"GRPC": "", "OSService": "", "GRPCUseTLS": false}, "CreateIndex": 0, "ModifyIndex": 0}]}`)
	if status, all, err := p.client.Agent().AgentHealthServiceByName("ah"); err != nil || status != "critical" || len(all) != 2 {
		t.Errorf("%s %d %v", status, len(all), err)
	}
}

func maintained(t *testing.T, p *peer) {
	f := func(query string, status int, text string) {
		t.Helper()
		a := p.do(t, http.MethodPut, "/v1/agent/service/maintenance/"+query, "")
		if a.status != status || a.body != text {
			t.Errorf("%s: %d %q", query, a.status, a.body)
		}
	}
	f("?enable=true", 400, "Missing service ID")
	f("no-such?enable=true", 404, `Unknown service ID "no-such". Ensure that the service ID is passed, not the service name.`)
	p.register(t, `{"Name":"mt","Check":{"TTL":"60s","Status":"passing"}}`)
	f("mt", 400, "Missing value for enable")
	f("mt?enable=x", 400, `Invalid value for enable: "x"`)
	f("mt?enable=true&reason=down", 200, "")
	f("mt?enable=true&reason=again", 200, "")
	p.eventually(t, "the check", func() bool { return len(p.entries(t, "mt")[0].Checks) == 3 })
	c := p.entries(t, "mt")[0].Checks[1]
	if c.CheckID != "_service_maintenance:mt" || c.Status != "critical" || c.Notes != "down" || c.Type != "maintenance" || c.Name != "Service Maintenance Mode" {
		t.Errorf("%+v", c)
	}
	if a := p.do(t, http.MethodGet, "/v1/agent/health/service/id/mt?format=text", ""); a.status != 503 || a.body != "maintenance" {
		t.Errorf("%d %s", a.status, a.body)
	}
	f("mt?enable=false", 200, "")
	f("mt?enable=false", 200, "")
	p.eventually(t, "no check", func() bool { return len(p.entries(t, "mt")[0].Checks) == 2 })
}

func membersAndPeers(t *testing.T, p *peer) {
	members, err := p.client.Agent().Members(false)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, member := range members {
		if member.Name != p.node {
			continue
		}
		found = true
		if member.Addr != p.ip || member.Status != 1 || member.Tags["dc"] != "dc1" || (member.Tags["role"] == "consul") != p.server || member.Port == 0 {
			t.Errorf("%+v", member)
		}
	}
	if !found {
		t.Errorf("%s is no member", p.node)
	}
	if peers, err := p.client.Status().Peers(); err != nil || len(peers) != 1 || !strings.HasPrefix(peers[0], "127.0.0.") {
		t.Errorf("%v %v", peers, err)
	}
	if a := p.ok(t, http.MethodGet, "/v1/agent/version", ""); !strings.Contains(a.body, `"HumanVersion":"1.22.7"`) && !strings.Contains(a.body, `"HumanVersion": "1.22.7"`) {
		t.Errorf("%s", a.body)
	}
}
