package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fedscrape/fedscrape/discovery/publish"
)

func TestPublish(t *testing.T) {
	all := load(t, "publish.yml").Publish
	if len(all) != 2 {
		t.Fatalf("%d entries", len(all))
	}
	least, every := all[0], all[1]
	want := publish.DefaultOptions()
	want.Server = "127.0.0.1:8500"
	if diff := cmp.Diff(least.Server+least.Scheme+least.Service, want.Server+want.Scheme+want.Service); diff != "" {
		t.Error(diff)
	}
	f := func(key string, got, want any) {
		t.Helper()
		if !cmp.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	}
	f("server", every.Server, "consul.example:8501")
	f("path_prefix", every.PathPrefix, "/consul")
	f("token", string(every.Token), "hunter2")
	f("datacenter", every.Datacenter, "dc2")
	f("namespace", every.Namespace, "team")
	f("partition", every.Partition, "web")
	f("scheme", every.Scheme, "https")
	f("username", every.Username, "writer")
	f("password", string(every.Password), "hunter2")
	f("service", every.Service, "merged")
	f("tls_config", every.HTTPClientConfig.TLSConfig.CAFile, "testdata/good/consul-ca.pem")
	f("follow_redirects", every.HTTPClientConfig.FollowRedirects, true)
}

func TestPublishIsShownWithoutSecrets(t *testing.T) {
	shown := load(t, "publish.yml").String()
	if strings.Contains(shown, "hunter2") {
		t.Errorf("a secret is shown:\n%s", shown)
	}
	again, err := Parse("testdata/good/publish.yml", []byte(shown))
	if err != nil || len(again.Publish) != 2 || again.Publish[1].Service != "merged" {
		t.Errorf("what is shown cannot be read again: %v\n%s", err, shown)
	}
}

func TestBadPublish(t *testing.T) {
	f := func(publish string, want ...string) {
		t.Helper()
		wrong(t, jobText("")+"publish:\n"+publish, want...)
	}
	f("  server: a", "5: publish: is a mapping, expected a list")
	f("  -", "6: publish[0]: is empty")
	f("  - a", "6: publish[0]: is a single value, expected a mapping")
	f("  - serer: a", "6: publish[0].serer: unknown key, did you mean server?")
	f("  - services: [a]", "6: publish[0].services: unknown key, did you mean service?")
	f("  - server: a\n    tls_config: {cafile: x}", "7: publish[0].tls_config.cafile: unknown key, did you mean ca_file?")
	f("  - server: ''", "6: publish[0].server: is empty (default localhost:8500)")
	f("  - server: a\n  - server: b\n    scheme: ftp", `8: publish[1].scheme: "ftp" is neither http nor https`)
	f("  - {}\n  - service: ''", `7: publish[1].service: "" is not a name of letters, digits and - _ . (default fedscrape)`)
	f("  - service: a b", `6: publish[0].service: "a b" is not a name of letters, digits and - _ . (default fedscrape)`)
	f("  - service: [a]", "6: publish[0].service: is a list, expected a text")
	f("  - {}\n  - {}\n  - server: localhost:8500",
		"7: publish[1]: has the server and service of publish[0]; leave one out",
		"8: publish[2].server: has the server and service of publish[0]; leave one out")
	f("  - server: u:hunter2@h:1", "6: publish[0].server: has a user or password in it, which the log would show; set username and password")
	f("  - token: a\n    authorization: {credentials: b}", "6: publish[0].token: authorization or oauth2 is set too; leave one of them out")
	f("  - tls_config: {cert_file: a}", "6: publish[0].tls_config: exactly one of key or key_file must be configured when a client certificate is configured")
	f("  - {scheme: ftp}\n  - {service: '/'}", `6: publish[0].scheme: "ftp" is neither http nor https`,
		`7: publish[1].service: "/" is not a name of letters, digits and - _ . (default fedscrape)`)
	wrong(t, "global: {publish: []}\n"+jobText(""), "1: global.publish: unknown key; it belongs at the top of the file")
}

func TestPublishIsOptional(t *testing.T) {
	for _, text := range []string{"", "publish:\n", "publish: []\n"} {
		if got := parse(t, jobText("")+text).Publish; len(got) != 0 {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestPublishWarnings(t *testing.T) {
	f := func(consul, publish string, want ...string) {
		t.Helper()
		got := parse(t, "federate_configs:\n  - {job_name: a, consul_sd_configs: ["+consul+"]}\npublish: ["+publish+"]\n").Warnings
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s, %s: %s", consul, publish, diff)
		}
	}
	loop := `job "a" watches the service "fedscrape" that publish[0] registers, and would scrape merged instances as workers; name the workers' services`
	f("{services: [webapp]}", "{}")
	f("{}", "{}", loop)
	f("{services: [webapp, fedscrape]}", "{}", loop)
	f("{services: [webapp, fedscrape]}", "{service: other}")
	f("{tags: [fedscrape]}", "{}")
	f("{health_filter: Service.Port > 0}", "{}")
	f("{}], relabel_configs: [{action: drop, source_labels: [__meta_consul_service], regex: fedscrape}", "{}")
	f("{services: [webapp]}", "{server: b}, {datacenter: dc2}", "publish[1]: datacenter has no effect: an agent registers in its own datacenter")
}
