package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.Lines(string(data)) {
			if text, ok := strings.CutPrefix(strings.TrimSpace(line), "# want "); ok {
				want = append(want, text)
			}
		}
		wrong(t, string(data), want...)
	}
}

func TestErrorNamesFileLineAndPath(t *testing.T) {
	_, err := Parse("dir/fedscrape.yml", []byte(jobText("gauge_modes:\n  - {match: a, mode: sum}\n  - match: b\n    mode: livsum")))
	want := `dir/fedscrape.yml:7: federate_configs[0].gauge_modes[1].mode: unknown mode "livsum" (all, liveall, min, livemin, max, livemax, ` +
		`sum, livesum, mostrecent, livemostrecent, avg, liveavg, omit)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestBadStructure(t *testing.T) {
	f := func(text string, want ...string) { t.Helper(); wrong(t, text, want...) }
	f("", "1: is not a mapping with the key federate_configs")
	f("# nothing", "1: is not a mapping with the key federate_configs")
	f("- a", "1: is not a mapping with the key federate_configs")
	f("global: {}", "1: federate_configs: is missing; without a job there is nothing to scrape")
	f("federate_configs: []", "1: federate_configs: is missing; without a job there is nothing to scrape")
	f("federate_configs:", "1: federate_configs: is missing; without a job there is nothing to scrape")
	f("federate_configs: {a: b}", "1: federate_configs: is a mapping, expected a list")
	f("federate_configs:\n  -", "2: federate_configs[0]: is empty")
	f("federate_configs:\n  - x", "2: federate_configs[0]: is a single value, expected a mapping")
	f("global: 3\n"+jobText(""), "1: global: is a single value, expected a mapping")
	f("a: b: c", "1: mapping values are not allowed in this context")
	f("a:\n\t- b", "2: found character that cannot start any token")
	f("\x01", "1: control characters are not allowed")
	f(jobText("")+"---\na: b\n", "5: a second document; a configuration is one")
	f("a: &a [*a]", "1: anchor 'a' value contains itself")
	f("a: *b", "1: unknown anchor 'b' referenced")
	f(jobText("scheme: http\nscheme: https"), "5: federate_configs[0].scheme: is in line 4 already")
	f("global: {}\nglobal: {}\n"+jobText(""), "2: global: is in line 1 already")
}

func TestBombOfAliases(t *testing.T) {
	var text strings.Builder
	text.WriteString("a: &a [x,x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c < 'k'; c++ {
		fmt.Fprintf(&text, "%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ","))
	}
	wrong(t, text.String(), "1: document contains excessive aliasing")
}

func TestUnknownKeys(t *testing.T) {
	f := func(text string, want ...string) { t.Helper(); wrong(t, text, want...) }
	f(jobText("gauge_mode: []"), "4: federate_configs[0].gauge_mode: unknown key, did you mean gauge_modes?")
	f(jobText("scrape_timeot: 1s"), "4: federate_configs[0].scrape_timeot: unknown key, did you mean scrape_timeout?")
	f(jobText("folow_redirects: true"), "4: federate_configs[0].folow_redirects: unknown key, did you mean follow_redirects?")
	f(jobText("nonsense: 1"), "4: federate_configs[0].nonsense: unknown key")
	f(jobText("x: 1"), "4: federate_configs[0].x: unknown key")
	f(jobText("scrape_interval: 1m"),
		"4: federate_configs[0].scrape_interval: unknown key (Prometheus' own interval counts; sweep_interval is for when nobody asks)")
	f(jobText("tls_config:\n  cafile: x"), "5: federate_configs[0].tls_config.cafile: unknown key, did you mean ca_file?")
	f(jobText("basic_auth: {user_name: x}"), "4: federate_configs[0].basic_auth.user_name: unknown key, did you mean username?")
	f(jobText("relabel_configs: [{source_label: [a]}]"), "4: federate_configs[0].relabel_configs[0].source_label: unknown key, did you mean source_labels?")
	f(jobText("http_headers: {X-A: {value: [a]}}"), "4: federate_configs[0].http_headers.X-A.value: unknown key, did you mean values?")
	f(jobText("file_sd_configs: [{file: [a.yml]}]"), "4: federate_configs[0].file_sd_configs[0].file: unknown key, did you mean files?",
		"4: federate_configs[0].file_sd_configs[0]: file service discovery config must contain at least one path name")
	f("federate_configs: [{job_name: a, static_configs: [{targets: ['h:1'], source: x}]}]",
		"1: federate_configs[0].static_configs[0].source: unknown key")
	f("scrape_configs: []\n"+jobText(""), "1: scrape_configs: unknown key (a job here is an entry of federate_configs)")
	f("sweep_interval: 1m\n"+jobText(""), "1: sweep_interval: unknown key; it belongs in global or in a job of federate_configs")
	f("job_name: a\n"+jobText(""), "1: job_name: unknown key; it belongs in a job of federate_configs")
	f("global: {static_configs: []}\n"+jobText(""), "1: global.static_configs: unknown key; it belongs in a job of federate_configs")
	f("global: {job_name: a}\n"+jobText(""), "1: global.job_name: unknown key; it belongs in a job of federate_configs")
	f("publsh: []\n"+jobText(""), "1: publsh: unknown key, did you mean publish?")
	f("1: 2\n"+jobText(""), "1: 1: unknown key")
}

func TestBadValues(t *testing.T) {
	f := func(lines, want string) {
		t.Helper()
		wrong(t, jobText(lines), "4: federate_configs[0]."+want)
	}
	f("scrape_timeout: 10", `scrape_timeout: not a valid duration string: "10"`)
	f("scrape_timeout: 0s", "scrape_timeout: must be more than 0s")
	f("scrape_timeout: [1s]", "scrape_timeout: is a list, expected a text")
	f("sweep_interval: 0s", "sweep_interval: must be more than 0s")
	f("max_age: -1s", `max_age: not a valid duration string: "-1s"`)
	f("worker_label: ''", "worker_label: is empty (default worker_id)")
	f("worker_label: [a]", "worker_label: is a list, expected a text")
	f("worker_label: job", `worker_label: "job" has another meaning; take a name such as worker_id`)
	f("metrics_path: ''", "metrics_path: is empty (default /metrics)")
	f("scheme: ftp", `scheme: "ftp" is neither http nor https`)
	f("params: [a]", "params: is a list, expected a mapping")
	f("params: {a: b}", "params.a: is a single value, expected a list")
	f("default_gauge_mode: most", `default_gauge_mode: unknown mode "most" (all, liveall, min, livemin, max, livemax, sum, livesum, mostrecent, livemostrecent, avg, liveavg, omit)`)
	f("gauge_modes: [{mode: sum}]", "gauge_modes[0].match: is missing")
	f("gauge_modes: [{match: a}]", "gauge_modes[0].mode: is missing")
	f("gauge_modes: [{match: a, mode: sum}, {match: [x], mode: sum}]", "gauge_modes[1].match: is a list, expected a text")
	f("gauge_modes: [{match: {regexp: '('}, mode: sum}]", "gauge_modes[0].match: is a mapping, expected a text")
	f("gauge_modes: [{match: {regexp: a}, mode: sum}]", "gauge_modes[0].match: is a mapping, expected a text")
	f("when_empty: keep", `when_empty: unknown value "keep" (fail, serve)`)
	f("departed_limit: -1", "departed_limit: must not be negative")
	f("departed_retention: x", `departed_retention: not a valid duration string: "x"`)
	f("departed_gauges: ''", "departed_gauges: empty duration string")
	f("series_limit: 0", "series_limit: must be more than 0")
	f("series_limit: 1.5", `series_limit: "1.5" is not a whole number`)
	f("summary_quantiles: keep", `summary_quantiles: unknown value "keep" (drop, all)`)
	f("body_size_limit: 64mb", `body_size_limit: unknown size "64mb" (a number and a unit of B, KB, MB, GB, TB, such as 64MB)`)
	f("sample_limit: -1", "sample_limit: must not be negative (0 is no limit)")
	f("label_limit: -1", "label_limit: must not be negative (0 is no limit)")
	f("label_name_length_limit: x", `label_name_length_limit: "x" is not a whole number`)
	f("label_value_length_limit: 99999999999999999999", `label_value_length_limit: "99999999999999999999" is not a whole number`)
	f("target_limit: -1", "target_limit: -1 is less than 0")
	f("enable_compression: maybe", `enable_compression: "maybe" is not true or false`)
	f("scrape_protocols: []", "scrape_protocols: must not be empty")
	f("scrape_protocols: [OpenMetricsText1.0.0, PrometheusProtobuf]",
		`scrape_protocols[1]: unknown protocol "PrometheusProtobuf" (OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, PrometheusText0.0.4, PrometheusProto)`)
	f("tls_config: {min_version: TLS9}", "tls_config.min_version: unknown TLS version: TLS9")
	f("tls_config: {cert_file: a}", "tls_config: exactly one of key or key_file must be configured when a client certificate is configured")
	f("oauth2: {client_id: a}", "oauth2: oauth2 token_url must be configured")
	f("http_headers: {Host: {values: [a]}}", `http_headers: setting header "Host" is not allowed`)
	f("no_proxy: a", "no_proxy: if no_proxy is configured, proxy_url must also be configured")
	f("relabel_configs: [{action: rename}]", `relabel_configs[0].action: unknown relabel action "rename"`)
	f("relabel_configs: [{action: keep, regex: '('}]", "relabel_configs[0].regex: error parsing regexp: missing closing ): `^(?s:()$`")
	f("relabel_configs: [null]", "relabel_configs[0]: empty rule")
	f("metric_relabel_configs: [{action: hashmod, target_label: a}]", "metric_relabel_configs[0]: relabel configuration for hashmod requires non-zero modulus")
	f("consul_sd_configs: [{server: ''}]", "consul_sd_configs[0].server: is empty (default localhost:8500)")
	f("consul_sd_configs: [null]", "consul_sd_configs[0]: is empty")
	f("http_sd_configs: [{url: ''}]", "http_sd_configs[0]: URL is missing")
	f("dns_sd_configs: [{names: [a], type: A}]", "dns_sd_configs[0]: a port is required in DNS-SD configs for all record types except SRV")
	f("file_sd_configs: [{files: [a.txt]}]", `file_sd_configs[0]: path name "a.txt" is not valid for file discovery`)
}

func TestJobNames(t *testing.T) {
	wrong(t, "federate_configs:\n  - static_configs: [{targets: ['h:1']}]\n", "2: federate_configs[0].job_name: is missing")
	wrong(t, "federate_configs:\n  - static_configs: [{targets: ['h:1']}]\n    job_name: ''\n", "3: federate_configs[0].job_name: is missing")
	wrong(t, jobText("")+"  - job_name: webapp\n    consul_sd_configs: [{}]\n",
		`5: federate_configs[1].job_name: "webapp" is the name of the job in line 2 too`)
}

func TestErrorsInGlobalComeOnce(t *testing.T) {
	jobs := "federate_configs:\n  - {job_name: a, consul_sd_configs: [{}]}\n  - {job_name: b, consul_sd_configs: [{}]}\n"
	wrong(t, "global:\n  series_limit: 0\n"+jobs, "2: global.series_limit: must be more than 0")
	wrong(t, "global:\n  series_limit: 0\n"+strings.ReplaceAll(jobs, "[{}]", "[{}], series_limit: 1"),
		"2: global.series_limit: must be more than 0")
	wrong(t, "global:\n  relabel_configs: [{action: hashmod, target_label: a}]\n"+jobs,
		"2: global.relabel_configs[0]: relabel configuration for hashmod requires non-zero modulus")
	wrong(t, "global: {bearer_token: a, bearer_token_file: b}\n"+jobs,
		"1: global.bearer_token: at most one of bearer_token & bearer_token_file must be configured")
}

func TestErrorsHaveNoSecrets(t *testing.T) {
	for _, lines := range []string{
		"basic_auth: hunter2", "basic_auth: {username: u, password: [hunter2]}", "basic_auth: {username: u, password: {hunter2: x}}",
		"proxy_url: 'http://user:hunter2 @h/'", "proxy_url: 'http://user:hunter2@h:x/'", "authorization: hunter2",
		"http_sd_configs: [{url: 'http://user:hunter2 @h/'}]", "http_sd_configs: [{url: 'gopher://user:hunter2@h/'}]",
		"consul_sd_configs: [{token: [hunter2]}]", "oauth2: {client_secret: hunter2}", "http_headers: {X: hunter2}",
	} {
		_, err := Parse("f.yml", []byte(jobText(lines)))
		if err == nil || strings.Contains(err.Error(), "hunter2 @") || strings.Contains(err.Error(), ":hunter2") ||
			strings.Contains(err.Error(), "`hunter2") || strings.Contains(err.Error(), `"hunter2`) {
			t.Errorf("%s: %v", lines, err)
		}
	}
}
