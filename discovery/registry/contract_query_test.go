package registry

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func init() {
	contract["wrong method"] = wrongMethod
	contract["not found"] = notFound
	contract["bad parameters"] = badParameters
	contract["passing and tags"] = passingAndTags
	contract["filters"] = filters
	contract["bad filters"] = badFilters
	contract["gzip"] = gzipped
	contract["agent self and leader"] = selfAndLeader
	contract["tokens are accepted"] = tokensAccepted
}

func sameCount(t *testing.T, a answer, want int) {
	t.Helper()
	var entries []json.RawMessage
	if err := json.Unmarshal([]byte(a.body), &entries); err != nil || len(entries) != want {
		t.Errorf("%d entries, want %d: %v", len(entries), want, err)
	}
}

func wrongMethod(t *testing.T, p *peer) {
	f := func(method, path, allow string) {
		t.Helper()
		a := p.do(t, method, path, "{}")
		status, text := http.StatusMethodNotAllowed, "method "+method+" not allowed"
		if method == http.MethodHead {
			text = ""
		}
		if method == http.MethodOptions {
			status, text = http.StatusOK, ""
		}
		if a.status != status || a.body != text || a.header.Get("Allow") != allow {
			t.Errorf("%s %s: %d %q, Allow %q", method, path, a.status, a.body, a.header.Get("Allow"))
		}
	}
	for _, path := range []string{"agent/service/register", "agent/service/deregister/x", "agent/check/pass/x", "agent/check/update/x"} {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete, http.MethodOptions} {
			f(method, "/v1/"+path, "OPTIONS,PUT")
		}
	}
	for _, path := range []string{
		"agent/services", "agent/service/x", "agent/checks", "agent/self", "status/leader", "health/service/x", "health/node/x",
		"catalog/services", "catalog/service/x", "catalog/node/x", "catalog/node-services/x",
	} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodHead, http.MethodOptions} {
			f(method, "/v1/"+path, "OPTIONS,GET")
		}
	}
}

func notFound(t *testing.T, p *peer) {
	for _, path := range []string{"/v1/nothing", "/v1/agent/check/bogus/x", "/v1/agent/services/", "/v1/catalog/services/x"} {
		a := p.do(t, http.MethodGet, path, "")
		if a.status != http.StatusNotFound || a.body != "Invalid URL path: not a recognized HTTP API endpoint\n" {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
	a := p.do(t, http.MethodGet, "/v1/agent/service/nope", "")
	if a.status != http.StatusNotFound || a.body != "unknown service ID: nope" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func badParameters(t *testing.T, p *peer) {
	f := func(path string, status int, text string) {
		t.Helper()
		if a := p.do(t, http.MethodGet, "/v1/"+path, ""); a.status != status || a.body != text {
			t.Errorf("%s: %d %q", path, a.status, a.body)
		}
	}
	for _, path := range []string{"health/service/x", "health/node/x", "catalog/services", "catalog/service/x", "catalog/node/x", "catalog/node-services/x"} {
		for _, index := range []string{"abc", "-1", "-0", "0x5", "1.5", "99999999999999999999999"} {
			f(path+"?index="+index, 400, "Invalid index")
		}
		f(path+"?index=1&wait=abc", 400, "Invalid wait time")
		f(path+"?wait=5", 400, "Invalid wait time")
		f(path+"?stale&consistent", 400, "Cannot specify ?stale with ?consistent, conflicting semantics.")
		f(path+"?dc=other", 500, "No path to datacenter")
		f(path+"?ns=foo", 400, `Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature`)
		f(path+"?partition=foo", 400, `Invalid query parameter: "partition" - Partitions are a Consul Enterprise feature`)
	}
	f("health/service/x?passing=bogus", 400, "Invalid value for ?passing")
	f("health/service/", 400, "Missing service name")
	f("catalog/service/", 400, "Missing service name")
	f("health/node/", 400, "Missing node name")
	for _, harmless := range []string{"index=", "index=0", "index=0&wait=1s", "near=_agent", "near=nowhere", "cached", "stale", "consistent", "dc=dc1", "filter="} {
		f("health/service/x?"+harmless, 200, "[]")
	}
	f("health/service/x?pretty", 200, "[]\n")
}

func passingAndTags(t *testing.T, p *peer) {
	p.register(t, `{"Name":"pt","ID":"pt-1","Tags":["a","b"],"Check":{"TTL":"60s","Status":"passing"}}`)
	p.register(t, `{"Name":"pt","ID":"pt-2","Tags":["a"],"Check":{"TTL":"60s","Status":"warning"}}`)
	p.register(t, `{"Name":"pt","ID":"pt-3"}`)
	f := func(query string, want ...string) {
		t.Helper()
		if got := p.ids(t, "pt", query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	f("", "pt-1", "pt-2", "pt-3")
	f("passing", "pt-1", "pt-3")
	f("passing=1", "pt-1", "pt-3")
	f("passing=false", "pt-1", "pt-2", "pt-3")
	f("tag=a", "pt-1", "pt-2")
	f("tag=a&tag=b", "pt-1")
	f("tag=c")
	f("tag=a&passing", "pt-1")
	f("node-meta=consul-version:1.22.7", "pt-1", "pt-2", "pt-3")
	f("node-meta=rack:1")
	sameCount(t, p.ok(t, http.MethodGet, "/v1/catalog/service/pt?tag=a&tag=b", ""), 1)
	p.sameJSON(t, p.ok(t, http.MethodGet, "/v1/catalog/services?node-meta=rack:1", "").body, `{}`)
	var names map[string][]string
	if err := json.Unmarshal([]byte(p.ok(t, http.MethodGet, "/v1/catalog/services", "").body), &names); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names["pt"])
	if diff := cmp.Diff([]string{"a", "b"}, names["pt"]); diff != "" {
		t.Error(diff)
	}
}

// ids are the services that health tells, in its order.
func (p *peer) ids(t *testing.T, name, query string) []string {
	t.Helper()
	var entries []struct{ Service struct{ ID string } }
	if err := json.Unmarshal([]byte(p.ok(t, http.MethodGet, "/v1/health/service/"+name+"?"+query, "").body), &entries); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, entry := range entries {
		ids = append(ids, entry.Service.ID)
	}
	return ids
}

func filters(t *testing.T, p *peer) {
	p.register(t, `{"Name":"fi","ID":"fi-1","Port":8000,"Address":"127.0.0.1","Tags":["fedscrape"],"Meta":{"instance":"web1","a-b":"c d"},
		"Check":{"TTL":"60s","Status":"warning"}}`)
	p.register(t, `{"Name":"fi","ID":"fi-2"}`)
	f := func(filter string, want ...string) {
		t.Helper()
		if got := p.ids(t, "fi", "filter="+url.QueryEscape(filter)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", filter, got, want)
		}
	}
	f(`Service.Meta.instance == "web1"`, "fi-1")
	f(`Service.Meta.instance==web1`, "fi-1")
	f("Service.Meta.instance == `web1`", "fi-1")
	f(`Service.Meta["a-b"] == "c d"`, "fi-1")
	f(`Service.Meta.nope == ""`)
	f(`Service.Meta.nope != "x"`, "fi-1", "fi-2")
	f(`"instance" in Service.Meta`, "fi-1")
	f(`"instance" not in Service.Meta`, "fi-2")
	f(`Service.Meta contains instance`, "fi-1")
	f(`"fedscrape" in Service.Tags`, "fi-1")
	f(`Service.Tags contains "fedscrape"`, "fi-1")
	f(`Service.Tags is empty`, "fi-2")
	f(`Service.Tags is not empty`, "fi-1")
	f(`Service.Port == 8000`, "fi-1")
	f(`Service.Port != 8000`, "fi-2")
	f(`Service.ID matches "^fi-[0-9]$"`, "fi-1", "fi-2")
	f(`Service.ID not matches "1"`, "fi-2")
	f(`"fi" in Service.ID`, "fi-1", "fi-2")
	f(`Service.EnableTagOverride == false`, "fi-1", "fi-2")
	f(`Node.Node == "`+p.node+`"`, "fi-1", "fi-2")
	f(`Node.Node == "n2"`)
	f(`Node.Meta.rack == 1`)
	f(`Checks.Status == "warning"`, "fi-1")
	f(`Checks.Status != "passing"`, "fi-1")
	f(`Checks.Status == passing`, "fi-1", "fi-2")
	f(`not (Service.ID == "fi-1")`, "fi-2")
	f(`not Service.ID == "fi-1" and Service.ID == "fi-1"`)
	f(`Service.ID == "fi-1" or Service.ID == "fi-2" and Service.ID == "no"`, "fi-1")
	f(`(Service.ID == "fi-1" or Service.ID == "fi-2") and Service.Tags is empty`, "fi-2")
	sameCount(t, p.ok(t, http.MethodGet, "/v1/catalog/service/fi?filter="+url.QueryEscape(`ServiceMeta.instance == "web1" and Node == "`+p.node+`"`), ""), 1)
}

func badFilters(t *testing.T, p *peer) {
	for _, filter := range []string{
		"bogus", `Service.Meta.instance`, `Foo.Bar == x`, `service.id == x`, `Node == n1`, `Service.Port < 5`, `Service.Port == abc`,
		`Service.ID is empty`, `Service.ID matches "("`, `Checks.Foo == 1`, `Service.CreateIndex == 5`, `(Service.ID == x`, `Service.ID == x)`,
		`Service.ID == `, `Service.ID == "x`, `and`, `Service.ID == x or`, `not`,
	} {
		a := p.do(t, http.MethodGet, "/v1/health/service/x?filter="+url.QueryEscape(filter), "")
		if a.status != http.StatusInternalServerError || !strings.HasPrefix(a.body, "Failed to create boolean expression evaluator: ") {
			t.Errorf("%s: %d %q", filter, a.status, a.body)
		}
	}
	a := p.do(t, http.MethodGet, "/v1/health/service/x?filter=Foo.Bar==x", "")
	if !strings.HasPrefix(a.body, `Failed to create boolean expression evaluator: Selector "Foo`) {
		t.Errorf("%q does not name the selector", a.body)
	}
}

func gzipped(t *testing.T, p *peer) {
	for i := range 5 {
		p.register(t, `{"Name":"zip","ID":"zip-`+strconv.Itoa(i)+`","Meta":{"k":"`+strings.Repeat("v", 500)+`"}}`)
	}
	f := func(path, accept, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", accept)
		req.Header.Set("X-Consul-Token", p.token)
		resp, err := p.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if got := resp.Header.Get("Content-Encoding"); got != want || resp.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s, %q: %q, want %q; Vary %q", path, accept, got, want, resp.Header.Get("Vary"))
		}
		var reader io.Reader = resp.Body
		if want == "gzip" {
			if reader, err = gzip.NewReader(resp.Body); err != nil {
				t.Fatal(err)
			}
		}
		if body, err := io.ReadAll(reader); err != nil || !json.Valid(body) {
			t.Errorf("%s, %q: %v, no JSON", path, accept, err)
		}
	}
	f("/v1/health/service/zip", "gzip", "gzip")
	f("/v1/health/service/zip", "deflate, gzip;q=0.5", "gzip")
	f("/v1/health/service/zip", "gzip;q=0", "")
	f("/v1/health/service/zip", "identity", "")
	f("/v1/status/leader", "gzip", "")
}

func selfAndLeader(t *testing.T, p *peer) {
	self, err := p.client.Agent().Self()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"NodeName": p.node, "Datacenter": "dc1", "Server": p.server, "Version": "1.22.7"} {
		if self["Config"][key] != want {
			t.Errorf("Config.%s is %v", key, self["Config"][key])
		}
	}
	if self["Member"]["Name"] != p.node || self["Member"]["Addr"] != p.ip || self["Member"]["Status"] != 1.0 {
		t.Errorf("Member is %v", self["Member"])
	}
	if a := p.ok(t, http.MethodGet, "/v1/status/leader", ""); !strings.HasPrefix(a.body, `"127.0.0.`) {
		t.Errorf("leader %s", a.body)
	}
}

func tokensAccepted(t *testing.T, p *peer) {
	if p.token != "" {
		tokensRequired(t, p)
		return
	}
	for _, header := range [][2]string{{"X-Consul-Token", "secret"}, {"Authorization", "Bearer secret"}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/v1/health/service/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(header[0], header[1])
		resp, err := p.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", header[0], resp.StatusCode)
		}
	}
}

// tokensRequired: without a token there is an answer, and it is empty. It must not be read as "nobody is there".
func tokensRequired(t *testing.T, p *peer) {
	p.register(t, `{"Name":"secret"}`)
	stranger := *p
	stranger.token = ""
	a := stranger.ok(t, http.MethodGet, "/v1/health/service/secret", "")
	if a.body != "[]" {
		t.Errorf("%s", a.body)
	}
	for _, path := range []string{"agent/service/register", "agent/service/deregister/secret"} {
		if a := stranger.do(t, http.MethodPut, "/v1/"+path, `{"Name":"secret"}`); a.status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}
