package discovery

import (
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v2"
)

func TestConsulDefaults(t *testing.T) {
	var opts Options
	if err := yaml.UnmarshalStrict([]byte(`consul_sd_configs: [{}]`), &opts); err != nil {
		t.Fatal(err)
	}
	got := opts.Consul[0]
	if got.Server != "localhost:8500" || got.TagSeparator != "," || got.Scheme != "http" || !got.AllowStale ||
		got.RefreshInterval != 0 || !got.HTTPClientConfig.FollowRedirects || got.Local {
		t.Errorf("%+v", got)
	}
}

// Each key of Prometheus 0.315's consul_sd_config is accepted.
func TestConsulKeys(t *testing.T) {
	text := `consul_sd_configs:
- server: consul:8501
  path_prefix: /x
  token: secret
  datacenter: dc1
  namespace: ns
  partition: pt
  tag_separator: ;
  scheme: https
  username: u
  password: p
  allow_stale: false
  refresh_interval: 30s
  services: [webapp]
  tags: [a]
  node_meta: {rack: "7"}
  filter: x
  health_filter: y
  local: true
  proxy_url: http://proxy:1
  tls_config: {insecure_skip_verify: true}
  follow_redirects: false
  enable_http2: false
  http_headers: {X-A: {values: [b]}}
`
	var opts Options
	if err := yaml.UnmarshalStrict([]byte(text), &opts); err != nil {
		t.Fatal(err)
	}
	if err := opts.Validate(); err != nil {
		t.Fatal(err)
	}
	got := opts.Consul[0]
	if time.Duration(got.RefreshInterval) != 30*time.Second || got.AllowStale || !got.Local {
		t.Errorf("%+v", got)
	}
	if auth := got.httpClientConfig().BasicAuth; auth == nil || auth.Username != "u" || auth.Password != "p" {
		t.Errorf("basic auth %+v", auth)
	}
	out, err := yaml.Marshal(&opts)
	if err != nil || strings.Contains(string(out), "secret\n") || strings.Contains(string(out), "password: p") {
		t.Errorf("shows a secret: %s %v", out, err)
	}
}

func TestOptionErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var opts Options
		err := yaml.UnmarshalStrict([]byte(text), &opts)
		if err == nil {
			err = opts.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", text, err, want)
		}
	}
	f(`consul_sd_configs: [{server: ""}]`, "consul_sd_configs[0]: server: is empty")
	f(`consul_sd_configs: [{server: "ftp://a:1"}]`, `server: its scheme is "ftp", not http, https or unix`)
	f(`consul_sd_configs: [{}, {scheme: ftp}]`, "consul_sd_configs[1]: scheme: ")
	f(`consul_sd_configs: [{username: a, basic_auth: {username: b}}]`, "basic_auth is set too")
	f(`consul_sd_configs: [{token: a, authorization: {credentials: b}}]`, "authorization or oauth2")
	f(`consul_sd_configs: [{bearer_token: a, bearer_token_file: b}]`, "at most one of")
	f(`consul_sd_configs: [{service: [a]}]`, "not found")
	f(`consul_sd_configs: [{services: [a, ""]}]`, "services: a name is empty")
	f(`consul_sd_configs: [null]`, "consul_sd_configs[0]: is empty")
	f(`static_configs: [{targets: ["http://a:1"]}]`, "static_configs[0]: targets[0]: ")
	f(`file_sd_configs: [{files: [x.txt]}]`, "x.txt")
	f(`ec2_sd_configs: []`, "not found")
	if err := (&Limits{TargetLimit: -1}).Validate(); err == nil {
		t.Error("a negative target_limit is accepted")
	}
}
