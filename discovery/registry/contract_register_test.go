package registry

import (
	"net/http"
	"strings"
	"testing"

	consulapi "github.com/hashicorp/consul/api"
)

func init() {
	contract["registration is refused"] = registrationRefused
	contract["registration is accepted"] = registrationAccepted
	contract["entries have Consul's own form"] = entriesForm
	contract["Go client round trip"] = goClientRoundTrip
	contract["tagged addresses are derived"] = taggedAddressesDerived
	contract["same ID registered again"] = sameIDAgain
	contract["re-registration keeps an old check"] = oldCheckKept
	contract["several checks are numbered"] = severalChecks
}

func registrationRefused(t *testing.T, p *peer) {
	const decode = "Request decode failed: "
	f := func(body, text string) {
		t.Helper()
		a := p.do(t, http.MethodPut, "/v1/agent/service/register", body)
		same := a.body == text
		if prefix, ok := strings.CutSuffix(text, "..."); ok {
			same = strings.HasPrefix(a.body, prefix)
		}
		if a.status != http.StatusBadRequest || !same {
			t.Errorf("%.100s: %d %q, want 400 %q", body, a.status, a.body, text)
		}
	}
	f(``, decode+"EOF")
	f(`{`, decode+"unexpected EOF")
	f(`[]`, decode+"json: cannot unmarshal array...")
	f(`null`, "Missing service name")
	f(`{}`, "Missing service name")
	f(`{"ID":"only"}`, "Missing service name")
	f(`{"Name":5}`, decode+"json: cannot unmarshal number...")
	f(`{"Name":"no","Port":"80"}`, decode+"json: cannot unmarshal string...")
	f(`{"Name":"no","Port":1.5}`, decode+"json: cannot unmarshal number 1.5...")
	f(`{"Name":"no","Tags":"a"}`, decode+"json: cannot unmarshal string...")
	f(`{"Name":"no","Meta":{"a":1}}`, decode+"json: cannot unmarshal number...")
	f(`{"Name":"no","Foo":1}`, decode+`json: unknown field "Foo"`)
	f(`{"Name":"no","ServiceID":"x"}`, decode+`json: unknown field "ServiceID"`)
	f(`{"Name":"no","Namespace":"x"}`, decode+`json: unknown field "Namespace"`)
	f(`{"Name":"no","Check":{"Foo":1}}`, decode+`json: unknown field "Foo"`)
	f(`{"Name":"no","Check":{"TTL":"5s","ID":"c"}}`, decode+`json: unknown field "ID"`)
	f(`{"Name":"no","Check":{"TTL":"5"}}`, decode+`time: missing unit in duration "5"`)
	f(`{"Name":"no","Check":{"TTL":"5s","DeregisterCriticalServiceAfter":"1"}}`, decode+`time: missing unit in duration "1"`)
	for _, address := range []string{"0.0.0.0", "::", "[::]"} {
		f(`{"Name":"no","Address":"`+address+`"}`, "Invalid service address")
	}
	meta := func(key, value, text string) {
		t.Helper()
		f(`{"Name":"no","Meta":{"`+key+`":"`+value+`"}}`, "Invalid Service Meta: Couldn't load metadata pair ('"+key+"', '"+value+"'): "+text)
	}
	meta("a.b", "1", "Key contains invalid characters")
	meta("a/b", "1", "Key contains invalid characters")
	meta("", "1", "Key cannot be blank")
	meta("consul-a", "1", "Key prefix 'consul-' is reserved for internal use")
	meta(strings.Repeat("k", 129), "1", "Key is too long (limit: 128 characters)")
	meta("k", strings.Repeat("v", 513), "Value is too long (limit: 512 characters)")
	f(`{"Name":"no","Meta":{`+pairs(65)+`}}`, "Invalid Service Meta: Node metadata cannot contain more than 64 key/value pairs")
	f(`{"Name":"no","Weights":{"Passing":0,"Warning":1}}`, "Invalid Weights: Passing must be greater than 0")
	f(`{"Name":"no","Weights":{"Passing":1,"Warning":-1}}`, "Invalid Weights: Warning must be greater or equal than 0")
	f(`{"Name":"no","Weights":{"Passing":70000,"Warning":1}}`, "Invalid Weights: DNS Weight must be between 0 and 65535")
	f(`{"Name":"no","Check":{"TTL":"-5s"}}`, "Invalid check: TTL must be > 0 for TTL checks")
	f(`{"Name":"no","Check":{"Status":"passing"}}`, "Invalid check: TTL must be > 0 for TTL checks")
	f(`{"Name":"no","Checks":[{}]}`, "Invalid check: TTL must be > 0 for TTL checks")
	f(`{"Name":"no","Check":{"Interval":"5s"}}`, "Invalid check: TTL must be > 0 for TTL checks")
	f(`{"Name":"no","Check":{"HTTP":"http://127.0.0.1:1/"}}`, "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks")
	f(`{"Name":"no","Check":{"TTL":"5s","Interval":"5s"}}`, "Invalid check: Interval and TTL cannot both be specified")
	f(`{"Name":"no","Check":{"TTL":"5s","Status":"bogus"}}`, "Status for checks must 'passing', 'warning', 'critical'")
	if entries := p.entries(t, "no"); len(entries) != 0 {
		t.Errorf("%d refused services are registered", len(entries))
	}
}

// pairs is n pairs of service meta.
func pairs(n int) string {
	var all []string
	for i := range n {
		all = append(all, `"k`+strings.Repeat("_", i)+`":"v"`)
	}
	return strings.Join(all, ",")
}

func registrationAccepted(t *testing.T, p *peer) {
	for _, body := range []string{
		`{"Name":"yes","Port":0}`, `{"Name":"yes","Port":-1}`, `{"Name":"yes","Port":65536}`, `{"Name":"yes","Port":null}`,
		`{"Name":"yes"} and what follows`, `{"Name":"yes","Token":"secret"}`, `{"Name":"yes","Tags":null,"Meta":null,"Check":null,"Checks":null}`,
		`{"Name":"yes","Check":{}}`, `{"Name":"yes","Check":{"TTL":"0s"}}`, `{"Name":"yes","Check":{"TTL":null}}`,
		`{"Name":"yes","Check":{"TTL":"1ms"}}`, `{"Name":"yes","Check":{"TTL":5000000000}}`,
		`{"Name":"yes","Check":{"TTL":"5s","DeregisterCriticalServiceAfter":"-1m"}}`,
		`{"Name":"yes","Check":{"TTL":"5s","deregister_critical_service_after":"1m"}}`,
		`{"name":"yes","id":"yes","tags":["a"],"meta":{"k":"v"},"enable_tag_override":true,"check":{"ttl":"5s","status":"passing"}}`,
		`{"Name":"yes","Meta":{` + pairs(64) + `}}`, `{"Name":"yes","Meta":{"` + strings.Repeat("k", 128) + `":"` + strings.Repeat("v", 512) + `"}}`,
	} {
		a := p.ok(t, http.MethodPut, "/v1/agent/service/register", body)
		if a.body != "" || a.header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: body %q, type %q", body, a.body, a.header.Get("Content-Type"))
		}
	}
	p.ok(t, http.MethodPut, "/v1/agent/service/deregister/yes", "")
}

const recordedNode = `{"ID": "some node", "Node": "NODE", "Address": "NODE-IP", "Datacenter": "dc1", "TaggedAddresses": {"lan": "NODE-IP",
	"lan_ipv4": "NODE-IP", "wan": "NODE-IP", "wan_ipv4": "NODE-IP"}, "Meta": {"consul-network-segment": "", "consul-version": "1.22.7"},
	"CreateIndex": 11, "ModifyIndex": 15}`

const recordedNodeCheck = `{"Node": "NODE", "CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing", "Notes": "",
	"Output": "Agent alive and reachable", "ServiceID": "", "ServiceName": "", "ServiceTags": [], "Type": "", "Interval": "", "Timeout": "",
	"ExposedPort": 0, "Definition": {}, "CreateIndex": 11, "ModifyIndex": 11}`

const recordedTail = `"Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": false, "Proxy": {"Mode": "", "MeshGateway": {}, "Expose": {}},
	"Connect": {}, "PeerName": "", "CreateIndex": 42, "ModifyIndex": 42}`

const recordedServices = `{"ID": "form-0", "Service": "form", "Tags": [], "Address": "", "Meta": null, ` + recordedTail

const recordedService1 = `{"ID": "form-1", "Service": "form", "Tags": ["fedscrape"], "Address": "127.0.0.1", "TaggedAddresses": {"lan_ipv4":
	{"Address": "127.0.0.1", "Port": 8000}, "wan_ipv4": {"Address": "127.0.0.1", "Port": 8000}}, "Meta": {"instance": "web1"}, "Port": 8000, ` + recordedTail

const recordedCheck1 = `{"Node": "NODE", "CheckID": "service:form-1", "Name": "Service 'form' check", "Status": "passing", "Notes": "", "Output": "",
	"ServiceID": "form-1", "ServiceName": "form", "ServiceTags": ["fedscrape"], "Type": "ttl", "Interval": "", "Timeout": "", "ExposedPort": 0,
	"Definition": {}, "CreateIndex": 41, "ModifyIndex": 41}`

const recordedFlat = `"ID": "some node", "Node": "NODE", "Address": "NODE-IP", "Datacenter": "dc1", "TaggedAddresses": {"lan": "NODE-IP",
	"lan_ipv4": "NODE-IP", "wan": "NODE-IP", "wan_ipv4": "NODE-IP"}, "NodeMeta": {"consul-network-segment": "", "consul-version": "1.22.7"},
	"ServiceKind": "", "ServicePorts": null, "ServiceSocketPath": "", "ServiceEnableTagOverride": false, "ServiceProxy": {"Mode": "",
	"MeshGateway": {}, "Expose": {}}, "ServiceConnect": {}, "ServiceLocality": null, "ServiceWeights": {"Passing": 1, "Warning": 1},
	"CreateIndex": 42, "ModifyIndex": 42`

func entriesForm(t *testing.T, p *peer) {
	p.register(t, `{"Name":"form","ID":"form-1","Port":8000,"Address":"127.0.0.1","Tags":["fedscrape"],"Meta":{"instance":"web1"},
		"Check":{"TTL":"10m","Status":"passing","DeregisterCriticalServiceAfter":"1m"}}`)
	p.register(t, `{"Name":"form","ID":"form-0"}`)
	f := func(path, want string) {
		t.Helper()
		a := p.ok(t, http.MethodGet, path, "")
		if contentType := a.header.Get("Content-Type"); contentType != "application/json" {
			t.Errorf("%s: type %q", path, contentType)
		}
		p.sameJSON(t, a.body, want)
	}
	f("/v1/health/service/form", `[{"Node": `+recordedNode+`, "Service": `+recordedServices+`, "Checks": [`+recordedNodeCheck+`]},
		{"Node": `+recordedNode+`, "Service": `+recordedService1+`, "Checks": [`+recordedNodeCheck+`, `+recordedCheck1+`]}]`)
	f("/v1/catalog/service/form", `[{`+recordedFlat+`, "ServiceID": "form-0", "ServiceName": "form", "ServiceTags": [], "ServiceAddress": "",
		"ServiceMeta": {}, "ServicePort": 0}, {`+recordedFlat+`, "ServiceID": "form-1", "ServiceName": "form", "ServiceTags": ["fedscrape"],
		"ServiceAddress": "127.0.0.1", "ServiceTaggedAddresses": {"lan_ipv4": {"Address": "127.0.0.1", "Port": 8000}, "wan_ipv4":
		{"Address": "127.0.0.1", "Port": 8000}}, "ServiceMeta": {"instance": "web1"}, "ServicePort": 8000}]`)
	f("/v1/agent/service/form-1", `{"ID": "form-1", "Service": "form", "Tags": ["fedscrape"], "Meta": {"instance": "web1"}, "Port": 8000,
		"Address": "127.0.0.1", "TaggedAddresses": {"lan_ipv4": {"Address": "127.0.0.1", "Port": 8000}, "wan_ipv4": {"Address": "127.0.0.1",
		"Port": 8000}}, "Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": false, "ContentHash": "some", "Datacenter": "dc1"}`)
	f("/v1/agent/services?filter=ID==%22form-0%22", `{"form-0": {"ID": "form-0", "Service": "form", "Tags": [], "Meta": {}, "Port": 0, "Address": "",
		"Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": false, "Datacenter": "dc1"}}`)
	f("/v1/agent/checks?filter=ServiceName==form", `{"service:form-1": `+recordedCheck1+`}`)
	f("/v1/health/node/"+p.node+"?filter=ServiceName==form", `[`+recordedCheck1+`]`)
	f("/v1/health/node/"+p.node+"?filter=CheckID==serfHealth", `[`+recordedNodeCheck+`]`)
	f("/v1/catalog/node/"+p.node+"?filter=Service==form", `{"Node": `+recordedNode+`, "Services": {"form-0": `+recordedServices+`, "form-1": `+recordedService1+`}}`)
	f("/v1/catalog/node-services/"+p.node+"?filter=Service==form", `{"Node": `+recordedNode+`, "Services": [`+recordedServices+`, `+recordedService1+`]}`)
	f("/v1/catalog/services?filter=ServiceName==form", `{"form": ["fedscrape"]}`)
}

func goClientRoundTrip(t *testing.T, p *peer) {
	agent := p.client.Agent()
	err := agent.ServiceRegister(&consulapi.AgentServiceRegistration{
		Name: "goclient", ID: "goclient-h-1-0badcafe", Address: "127.0.0.1", Port: 8001, Tags: []string{"fedscrape"},
		Meta:  map[string]string{"worker_id": "0"},
		Check: &consulapi.AgentServiceCheck{TTL: "15s", Status: "passing", DeregisterCriticalServiceAfter: "1m"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.UpdateTTL("service:goclient-h-1-0badcafe", "ok", "warn"); err != nil {
		t.Error(err)
	}
	p.wantStatus(t, "goclient", "warning", "ok")
	entry := p.entries(t, "goclient")[0]
	if entry.Node.Node != p.node || entry.Service.Port != 8001 || entry.Service.Meta["worker_id"] != "0" || entry.Service.CreateIndex == 0 {
		t.Errorf("entry %+v %+v", entry.Node, entry.Service)
	}
	if name, err := agent.NodeName(); name != p.node || err != nil {
		t.Errorf("node %q: %v", name, err)
	}
	if leader, err := p.client.Status().Leader(); leader == "" || err != nil {
		t.Errorf("leader %q: %v", leader, err)
	}
	if _, meta, err := p.client.Catalog().NodeServiceList(p.node, nil); err != nil || meta.LastIndex == 0 || !meta.KnownLeader {
		t.Errorf("node services: %+v %v", meta, err)
	}
	if err := agent.ServiceDeregister("goclient-h-1-0badcafe"); err != nil {
		t.Error(err)
	}
	p.eventually(t, "gone", func() bool { return len(p.entries(t, "goclient")) == 0 })
}

func taggedAddressesDerived(t *testing.T, p *peer) {
	f := func(body, want string) {
		t.Helper()
		p.register(t, body)
		p.sameJSON(t, p.ok(t, http.MethodGet, "/v1/agent/service/tagged", "").body, `{"ID": "tagged", "Service": "tagged", "Tags": [], "Meta": {}, "Port": 9,
			"Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": false, "ContentHash": "", "Datacenter": "dc1", `+want+`}`)
	}
	f(`{"Name":"tagged","Port":9,"Address":"::1"}`, `"Address": "::1", "TaggedAddresses": {"lan_ipv6": {"Address": "::1", "Port": 9}, "wan_ipv6": {"Address": "::1", "Port": 9}}`)
	f(`{"Name":"tagged","Port":9,"Address":"host.example"}`, `"Address": "host.example"`)
	f(`{"Name":"tagged","Port":9,"tagged_addresses":{"lan":{"Address":"10.0.0.1","Port":5}}}`, `"Address": "", "TaggedAddresses": {"lan": {"Address": "10.0.0.1", "Port": 5}}`)
	f(`{"Name":"tagged","Port":9,"Address":"127.0.0.1","TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.1","Port":5}}}`,
		`"Address": "127.0.0.1", "TaggedAddresses": {"lan_ipv4": {"Address": "10.0.0.1", "Port": 5}, "wan_ipv4": {"Address": "127.0.0.1", "Port": 9}}`)
}

func sameIDAgain(t *testing.T, p *peer) {
	p.register(t, `{"Name":"again","ID":"again-1","Port":1}`)
	first := p.find(t, "again", "again-1").Service
	p.register(t, `{"Name":"again","ID":"again-1","Port":2}`)
	p.eventually(t, "the new port", func() bool { return p.find(t, "again", "again-1").Service.Port == 2 })
	second := p.find(t, "again", "again-1").Service
	if second.CreateIndex != first.CreateIndex || second.ModifyIndex <= first.ModifyIndex {
		t.Errorf("create index %d then %d, modify index %d then %d", first.CreateIndex, second.CreateIndex, first.ModifyIndex, second.ModifyIndex)
	}
	// A rename is no wake-up to count on: Consul moves the index of the old name only for who is blocked already.
	p.register(t, `{"Name":"again-renamed","ID":"again-1","Port":2}`)
	p.eventually(t, "the old name gone", func() bool { return len(p.entries(t, "again")) == 0 })
	p.ok(t, http.MethodPut, "/v1/agent/service/deregister/again-1", "")
	p.eventually(t, "gone", func() bool { return len(p.entries(t, "again-renamed")) == 0 })
	p.register(t, `{"Name":"again","ID":"again-1","Port":2}`)
	if third := p.find(t, "again", "again-1").Service; third.CreateIndex <= second.CreateIndex {
		t.Errorf("create index %d, of the removed one %d", third.CreateIndex, second.CreateIndex)
	}
}

func oldCheckKept(t *testing.T, p *peer) {
	p.register(t, `{"Name":"kept","Check":{"TTL":"60s","Status":"passing"}}`)
	p.ok(t, http.MethodPut, "/v1/agent/check/warn/service:kept?note=w", "")
	p.wantStatus(t, "kept", "warning", "w")
	p.register(t, `{"Name":"kept","Port":1}`)
	p.eventually(t, "the port", func() bool { return p.entries(t, "kept")[0].Service.Port == 1 })
	p.wantStatus(t, "kept", "warning", "w")
	// Only a heartbeat tells that a worker is well: the status of a registration is for a check that is new.
	p.register(t, `{"Name":"kept","Port":2,"Check":{"TTL":"60s","Status":"passing"}}`)
	p.eventually(t, "the port", func() bool { return p.entries(t, "kept")[0].Service.Port == 2 })
	p.wantStatus(t, "kept", "warning", "w")
	p.ok(t, http.MethodPut, "/v1/agent/service/register?replace-existing-checks=1", `{"Name":"kept","Port":3}`) // neither empty nor true
	p.eventually(t, "the port", func() bool { return p.entries(t, "kept")[0].Service.Port == 3 })
	p.wantStatus(t, "kept", "warning", "w")
	p.ok(t, http.MethodPut, "/v1/agent/service/register?replace-existing-checks", `{"Name":"kept","Port":3}`)
	p.eventually(t, "no check", func() bool { return len(p.entries(t, "kept")[0].Checks) == 1 })
}

func severalChecks(t *testing.T, p *peer) {
	p.register(t, `{"Name":"several","Check":{"TTL":"60s"},"Checks":[{"TTL":"60s","Name":"second","Notes":"why"},{"TTL":"60s","CheckID":"mine"}]}`)
	p.eventually(t, "three checks", func() bool { return len(p.entries(t, "several")[0].Checks) == 4 })
	want := map[string]string{"service:several:1": "Service 'several' check", "service:several:2": "second", "mine": "Service 'several' check"}
	for _, c := range p.entries(t, "several")[0].Checks[1:] {
		if want[c.CheckID] != c.Name || c.Status != "critical" {
			t.Errorf("check %s: name %q, status %s", c.CheckID, c.Name, c.Status)
		}
		delete(want, c.CheckID)
	}
	if len(want) > 0 {
		t.Errorf("missing %v", want)
	}
}
