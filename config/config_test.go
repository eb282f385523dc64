package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"

	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/scraper"
)

func load(t *testing.T, name string) *Config {
	t.Helper()
	cfg, err := Load(filepath.Join("testdata", "good", name))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestDefaultsAreThoseOfTheDocumentedBlock(t *testing.T) {
	if diff := cmp.Diff(load(t, "defaults.yml").String(), load(t, "least.yml").String()); diff != "" {
		t.Errorf("written out (-) and left out (+) differ:\n%s", diff)
	}
}

func TestEveryKeyIsInTheTestFile(t *testing.T) {
	data, err := os.ReadFile("testdata/good/every_key.yml")
	if err != nil {
		t.Fatal(err)
	}
	// These exclude others that are there.
	elsewhere := []string{"authorization", "oauth2", "bearer_token", "bearer_token_file", "proxy_from_environment"}
	for _, key := range fieldsOf(jobType).names {
		if !strings.Contains(string(data), " "+key+":") && !slices.Contains(elsewhere, key) {
			t.Errorf("%s is not tested", key)
		}
	}
}

func TestEveryKey(t *testing.T) {
	job := load(t, "every_key.yml").Jobs[0]
	s := job.Settings
	f := func(key string, got, want any) {
		t.Helper()
		if !cmp.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	}
	duration := func(d model.Duration) time.Duration { return time.Duration(d) }
	f("job_name", job.JobName, "webapp")
	consul := job.Discovery.Consul[0]
	f("server", consul.Server, "consul.example:8501")
	f("path_prefix", consul.PathPrefix, "/consul")
	f("datacenter", consul.Datacenter, "dc2")
	f("namespace", consul.Namespace, "team")
	f("partition", consul.Partition, "web")
	f("tag_separator", consul.TagSeparator, ";")
	f("scheme", consul.Scheme, "https")
	f("username", consul.Username, "reader")
	f("password", string(consul.Password), "hunter2")
	f("allow_stale", consul.AllowStale, false)
	f("refresh_interval", duration(consul.RefreshInterval), 2*time.Second)
	f("services", consul.Services, []string{"webapp", "webapp-canary"})
	f("tags", consul.Tags, []string{"fedscrape"})
	f("node_meta", consul.NodeMeta, map[string]string{"rack": "r1"})
	f("filter", consul.Filter, `Meta.role == "web"`)
	f("health_filter", consul.HealthFilter, `Service.Meta.role == "web"`)
	f("local", consul.Local, true)
	f("consul tls_config", consul.HTTPClientConfig.TLSConfig.CAFile, "testdata/good/consul-ca.pem")
	f("static targets", len(job.Discovery.Static[0].Targets), 2)
	f("static labels", string(job.Discovery.Static[0].Labels["zone"]), "a")
	f("file_sd files", job.Discovery.File[0].Files, []string{"testdata/good/targets/*.yml"})
	f("file_sd refresh_interval", duration(job.Discovery.File[0].RefreshInterval), time.Minute)
	f("http_sd url", job.Discovery.HTTP[0].URL, "http://user:hunter2@sd.example/targets")
	f("dns_sd type", job.Discovery.DNS[0].Type, "A")
	f("relabel_configs", s.Relabel.RelabelConfigs[0].TargetLabel, "zone")
	f("metric_relabel_configs", string(s.Relabel.MetricRelabelConfigs[0].Action), "labeldrop")
	f("worker_label", s.Relabel.WorkerLabel, "pid")
	f("metrics_path", s.Relabel.MetricsPath, "/stats")
	f("scheme", s.Relabel.Scheme, "https")
	f("params", s.Relabel.Params["module"], []string{"a", "b"})
	f("scrape_timeout", duration(s.Scraper.ScrapeTimeout), 3*time.Second)
	f("scrape_protocols", s.Scraper.ScrapeProtocols, []scraper.Protocol{scraper.PrometheusProto, scraper.PrometheusText0_0_4})
	f("enable_compression", s.Scraper.EnableCompression, true)
	f("body_size_limit", s.Scraper.BodySizeLimit, scraper.Bytes(3<<19))
	f("sample_limit", s.Scraper.SampleLimit, 7)
	f("label_limit", s.Scraper.LabelLimit, 8)
	f("label_name_length_limit", s.Scraper.LabelNameLengthLimit, 9)
	f("label_value_length_limit", s.Scraper.LabelValueLengthLimit, 10)
	f("target_limit", s.Limits.TargetLimit, 11)
	f("when_empty", s.WhenEmpty, WhenEmptyServe)
	f("sweep_interval", duration(s.SweepInterval), 30*time.Second)
	f("max_age", duration(s.MaxAge), 500*time.Millisecond)
	h := s.Scraper.HTTPClient
	f("basic_auth", h.BasicAuth.Username, "scraper")
	f("password_file", h.BasicAuth.PasswordFile, "testdata/good/secrets/password")
	f("ca_file", h.TLSConfig.CAFile, "testdata/good/ca.pem")
	f("cert_file", h.TLSConfig.CertFile, "/etc/cert.pem")
	f("insecure_skip_verify", h.TLSConfig.InsecureSkipVerify, true)
	f("follow_redirects", h.FollowRedirects, true)
	f("enable_http2", h.EnableHTTP2, false)
	f("proxy_url", h.ProxyURL.String(), "http://proxy.example:3128")
	f("no_proxy", h.NoProxy, "10.0.0.0/8")
	f("http_headers", h.HTTPHeaders.Headers["X-Tenant"].Files, []string{"testdata/good/secrets/tenant"})
}

func TestMergeOptionsHaveEveryKey(t *testing.T) {
	cfg := load(t, "every_key.yml")
	o := cfg.Jobs[0].Settings.MergeOptions()
	rules := o.GaugeModes
	o.GaugeModes = nil
	want := merge.Options{
		WorkerLabel: "pid", DefaultGaugeMode: merge.ModeLiveMax, SummaryQuantiles: "all",
		DepartedRetention: 2 * time.Hour, DepartedLimit: 12, DepartedGauges: 24 * time.Hour,
		SeriesRetention: 14 * 24 * time.Hour, SeriesLimit: 13, InstanceRetention: 365 * 24 * time.Hour,
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Error(diff)
	}
	if len(rules) != 2 || rules[0].Mode != merge.ModeSum || !rules[0].Match.MatchString("ax") || rules[1].Match.MatchString("bx") {
		t.Errorf("gauge_modes %+v", rules)
	}
}

func TestMergeOptionsDefaults(t *testing.T) {
	s := NewSettings()
	if diff := cmp.Diff(merge.NewOptions(), s.MergeOptions()); diff != "" {
		t.Error(diff)
	}
}

func TestGlobalIsInherited(t *testing.T) {
	cfg := load(t, "global.yml")
	inherits, overrides, merged := cfg.Jobs[0].Settings, cfg.Jobs[1].Settings, cfg.Jobs[3]
	f := func(key string, got, want any) {
		t.Helper()
		if !cmp.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	}
	f("scrape_timeout", inherits.Scraper.ScrapeTimeout.String(), "4s")
	f("sweep_interval", inherits.SweepInterval.String(), "20s")
	f("max_age, null in the job", inherits.MaxAge.String(), "1s")
	f("worker_label", inherits.Relabel.WorkerLabel, "pid")
	f("default_gauge_mode", inherits.Fold.DefaultGaugeMode, merge.ModeMax)
	f("gauge_modes", len(inherits.Fold.GaugeModes), 1)
	f("params", len(inherits.Relabel.Params), 2)
	f("basic_auth", inherits.Scraper.HTTPClient.BasicAuth.Username, "global")
	f("relabel_configs", len(inherits.Relabel.RelabelConfigs), 1)
	f("sample_limit", inherits.Scraper.SampleLimit, 50)
	f("when_empty", inherits.WhenEmpty, WhenEmptyServe)

	f("scrape_timeout", overrides.Scraper.ScrapeTimeout.String(), "5s")
	f("gauge_modes, emptied", len(overrides.Fold.GaugeModes), 0)
	f("params, whole", len(overrides.Relabel.Params), 1)
	f("basic_auth beside authorization", overrides.Scraper.HTTPClient.BasicAuth == nil, true)
	f("proxy_url beside proxy_from_environment", overrides.Scraper.HTTPClient.ProxyURL.URL == nil, true)
	f("relabel_configs, emptied", len(overrides.Relabel.RelabelConfigs), 0)
	f("sample_limit 0", overrides.Scraper.SampleLimit, 0)
	f("when_empty", overrides.WhenEmpty, WhenEmptyFail)
	f("worker_label", overrides.Relabel.WorkerLabel, "pid")

	f("<<", merged.Settings.Scraper.LabelLimit, 70)
	f("<< is overridden", merged.JobName, "merged")
}

func TestJobsShareNothingOfGlobal(t *testing.T) {
	cfg := load(t, "global.yml")
	cfg.Jobs[0].Settings.Relabel.Params.Set("a", "changed")
	cfg.Jobs[0].Settings.Relabel.RelabelConfigs[0].Replacement = "changed"
	if got := cfg.Jobs[2].Settings.Relabel; got.Params.Get("a") != "global" || got.RelabelConfigs[0].Replacement != "global" {
		t.Errorf("a change in one job shows in another: %+v", got)
	}
}

func TestStringHidesSecretsAndReadsBack(t *testing.T) {
	for _, name := range []string{"defaults.yml", "every_key.yml", "global.yml"} {
		shown := load(t, name).String()
		if strings.Contains(shown, "hunter2") {
			t.Errorf("%s: a secret is in\n%s", name, shown)
		}
		again, err := Parse("testdata/again.yml", []byte(shown))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if name == "defaults.yml" && again.String() != shown {
			t.Error(cmp.Diff(shown, again.String()))
		}
	}
}

func TestNothingIsExpanded(t *testing.T) {
	t.Setenv("SECRET", "x")
	cfg := parse(t, jobText("metrics_path: /${SECRET}/$SECRET"))
	if got := cfg.Jobs[0].Settings.Relabel.MetricsPath; got != "/${SECRET}/$SECRET" {
		t.Errorf("got %s", got)
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	_, err := Load("testdata/none.yml")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "testdata/none.yml") {
		t.Errorf("got %v", err)
	}
	path := filepath.Join(t.TempDir(), "large.yml")
	if err := os.WriteFile(path, make([]byte, maxSize+5), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = Load(path); err == nil || err.Error() != path+":1: larger than 16MB" {
		t.Errorf("got %v", err)
	}
}

func TestWarnings(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		if got := parse(t, text).Warnings; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	two := func(a, b string) string {
		return "federate_configs:\n  - {job_name: a, " + a + "}\n  - {job_name: b, " + b + "}\n"
	}
	const consul = "consul_sd_configs: [{}]"
	f(two("static_configs: [{targets: ['h:1']}]", "static_configs: [{targets: ['h:1']}]"))
	f(two("static_configs: [{targets: ['h:1', 'h:2'], labels: {job: x}}]", "static_configs: [{targets: ['h:3', 'h:4'], labels: {job: x}}]"),
		`jobs "a" and "b" both yield instance "h" of job "x"; the first decides`)
	f(two("static_configs: [{targets: ['h:1'], labels: {job: x}}]", "static_configs: [{targets: ['g:1'], labels: {job: x}}]"))
	f(two(consul, consul+", relabel_configs: [{target_label: job, replacement: a}]"),
		`jobs "a" and "b" both yield job "a"; of an instance that both have, the first decides`)
	f(two(consul, consul+", relabel_configs: [{target_label: job, replacement: a, source_labels: [x], regex: y}]"))
	f(two(consul, consul))
	f(two("static_configs: [{targets: [h]}]", consul),
		`job "a": a target of static_configs is left out: address "h" is not host:port`)
}
