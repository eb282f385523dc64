package discovery

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	consulapi "github.com/hashicorp/consul/api"
)

func entry() *consulapi.ServiceEntry {
	return &consulapi.ServiceEntry{
		Node: &consulapi.Node{
			Node: "web1", Address: "10.0.0.5", Datacenter: "dc1",
			TaggedAddresses: map[string]string{"lan": "10.0.0.5", "wan_ipv4": "1.2.3.4"},
			Meta:            map[string]string{"consul-network-segment": "", "rack": "7"},
		},
		Service: &consulapi.AgentService{
			ID: "webapp-web1-17-0badcafe", Service: "webapp", Address: "10.0.0.6", Port: 40001, Tags: []string{"fedscrape", "blue"},
			Meta: map[string]string{"instance": "web1:8000", "a.b": "2", "a-b": "1"}, CreateIndex: 42,
		},
		Checks: consulapi.HealthChecks{{Status: "passing"}, {Status: "critical"}},
	}
}

// The labels are those of Prometheus 0.315's consul discovery for the same entry, read off its source.
func TestConsulLabels(t *testing.T) {
	want := map[string]string{
		"__address__":           "10.0.0.6:40001",
		"__meta_consul_address": "10.0.0.5",
		"__meta_consul_dc":      "dc1",
		"__meta_consul_health":  "critical",
		"__meta_consul_metadata_consul_network_segment": "",
		"__meta_consul_metadata_rack":                   "7",
		"__meta_consul_namespace":                       "",
		"__meta_consul_node":                            "web1",
		"__meta_consul_partition":                       "",
		"__meta_consul_service":                         "webapp",
		"__meta_consul_service_address":                 "10.0.0.6",
		"__meta_consul_service_id":                      "webapp-web1-17-0badcafe",
		"__meta_consul_service_metadata_a_b":            "2",
		"__meta_consul_service_metadata_instance":       "web1:8000",
		"__meta_consul_service_port":                    "40001",
		"__meta_consul_tagged_address_lan":              "10.0.0.5",
		"__meta_consul_tagged_address_wan_ipv4":         "1.2.3.4",
		"__meta_consul_tags":                            ",fedscrape,blue,",
	}
	c := consulCandidate(entry(), "webapp", "", ",")
	if diff := cmp.Diff(want, c.labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if c.key != "dc1/default/default/web1/webapp-web1-17-0badcafe" || c.createIndex != 42 || c.node != "web1" {
		t.Errorf("candidate %+v", c)
	}
}

func TestConsulAddressFallsBackToTheNode(t *testing.T) {
	e := entry()
	e.Service.Address = ""
	if got := consulAddress(e); got != "10.0.0.5:40001" {
		t.Error(got)
	}
	e.Service.Address = "fd00::1"
	if got := consulAddress(e); got != "[fd00::1]:40001" {
		t.Error(got)
	}
}

func TestConsulKeyHasNoAddress(t *testing.T) {
	a, b := entry(), entry()
	b.Service.Address, b.Service.Port = "10.9.9.9", 1
	if consulKey(a, "dc1") != consulKey(b, "dc1") {
		t.Error("another address makes another incarnation")
	}
	b = entry()
	b.Node.Node = "web2"
	if consulKey(a, "dc1") == consulKey(b, "dc1") {
		t.Error("one ID on two nodes makes one incarnation")
	}
	b = entry()
	b.Service.Namespace = "default"
	if consulKey(a, "dc1") != consulKey(b, "dc1") {
		t.Error("no namespace is not the default one")
	}
}

func TestStartTime(t *testing.T) {
	f := func(text string, want time.Time) {
		t.Helper()
		if got := parseStartTime(text); got.Sub(want).Abs() > time.Microsecond {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	f("1795236000.25", time.Unix(1795236000, 250_000_000))
	f("1795236000", time.Unix(1795236000, 0))
	for _, text := range []string{"", "x", "NaN", "+Inf", "-5", "0", "1e300"} {
		f(text, time.Time{})
	}
}

func TestLoopback(t *testing.T) {
	f := func(address string, want bool) {
		t.Helper()
		if got := isLoopback(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	f("127.0.0.1:1", true)
	f("127.8.8.8:1", true)
	f("[::1]:1", true)
	f("[::ffff:127.0.0.1]:1", true)
	f("localhost:1", true)
	f("10.0.0.1:1", false)
	f("localhost.example:1", false)
	f("127.0.0.1", false)
}
