package relabel

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v2"
)

// options decodes what a job says, over the defaults, as the configuration does.
func options(t *testing.T, text string) *Options {
	t.Helper()
	opts := DefaultOptions()
	if err := yaml.UnmarshalStrict([]byte(text), &opts); err != nil {
		t.Fatal(err)
	}
	if err := opts.Validate(); err != nil {
		t.Fatal(err)
	}
	return &opts
}

func registration(more map[string]string) map[string]string {
	out := map[string]string{
		"__address__":              "10.0.0.5:40001",
		"__meta_consul_node":       "web1",
		"__meta_consul_service_id": "webapp-web1-17-0badcafe",
	}
	maps.Copy(out, more)
	return out
}

func TestConsulIdentity(t *testing.T) {
	f := func(more map[string]string, want Identity, url string) {
		t.Helper()
		target, keep, err := NewTarget(registration(more), options(t, ""), "webapp", Consul)
		if err != nil || !keep {
			t.Fatalf("keep %v, error %v", keep, err)
		}
		if target.Identity != want {
			t.Errorf("identity %v, want %v", target.Identity, want)
		}
		if got := target.URL(); got != url {
			t.Errorf("URL %s, want %s", got, url)
		}
	}
	f(nil, Identity{"webapp", "web1", "webapp-web1-17-0badcafe"}, "http://10.0.0.5:40001/metrics")
	f(map[string]string{"__meta_consul_service_metadata_instance": "web1:8000"},
		Identity{"webapp", "web1:8000", "webapp-web1-17-0badcafe"}, "http://10.0.0.5:40001/metrics")
	f(map[string]string{"__meta_consul_service_metadata_worker_id": "3"}, Identity{"webapp", "web1", "3"}, "http://10.0.0.5:40001/metrics")
	f(map[string]string{"__meta_consul_service_metadata_scheme": "https", "__meta_consul_service_metadata_metrics_path": "/m"},
		Identity{"webapp", "web1", "webapp-web1-17-0badcafe"}, "https://10.0.0.5:40001/m")
	f(map[string]string{"__meta_consul_service_metadata_metrics_path": "m?x=1"},
		Identity{"webapp", "web1", "webapp-web1-17-0badcafe"}, "http://10.0.0.5:40001/m%3Fx=1")
}

func TestOtherIdentity(t *testing.T) {
	f := func(discovered map[string]string, want Identity) {
		t.Helper()
		target, keep, err := NewTarget(discovered, options(t, ""), "webapp", Other)
		if err != nil || !keep {
			t.Fatalf("keep %v, error %v", keep, err)
		}
		if target.Identity != want {
			t.Errorf("identity %v, want %v", target.Identity, want)
		}
	}
	f(map[string]string{"__address__": "h:1"}, Identity{"webapp", "h", "h:1"})
	f(map[string]string{"__address__": "[::1]:1"}, Identity{"webapp", "::1", "[::1]:1"})
	f(map[string]string{"__address__": "h:1", "instance": "a", "worker_id": "7"}, Identity{"webapp", "a", "7"})
	f(map[string]string{"__address__": "h:1", "job": "own"}, Identity{"own", "h", "h:1"})
	f(map[string]string{"__address__": "h:1", "__meta_consul_node": "not consul"}, Identity{"webapp", "h", "h:1"})
}

// Each case is a rule as users of Prometheus write it, and what Prometheus makes of it.
func TestRules(t *testing.T) {
	meta := map[string]string{
		"__meta_consul_service_metadata_instance": "web1:8000", "__meta_consul_service_metadata_worker_id": "3",
		"__meta_consul_service_metadata_metrics_path": "/m", "__meta_consul_tags": ",fedscrape,blue,",
	}
	for _, tc := range []struct {
		name, rules string
		dropped     bool
		identity    Identity
		url         string
		labels      map[string]string
	}{
		{
			name: "none", rules: ``, identity: Identity{"webapp", "web1:8000", "3"}, url: "http://10.0.0.5:40001/m",
			labels: map[string]string{"job": "webapp", "instance": "web1:8000", "worker_id": "3"},
		},
		{
			name:     "replace",
			rules:    `relabel_configs: [{source_labels: [__meta_consul_node], target_label: instance}]`,
			identity: Identity{"webapp", "web1", "3"}, url: "http://10.0.0.5:40001/m",
			labels: map[string]string{"job": "webapp", "instance": "web1", "worker_id": "3"},
		},
		{
			name:  "anchored",
			rules: `relabel_configs: [{source_labels: [__meta_consul_node], regex: web, target_label: instance, replacement: never}]`,

			identity: Identity{"webapp", "web1:8000", "3"}, url: "http://10.0.0.5:40001/m",
			labels: map[string]string{"job": "webapp", "instance": "web1:8000", "worker_id": "3"},
		},
		{
			name: "labelmap",
			rules: `relabel_configs: [{action: labelmap, regex: __meta_consul_service_metadata_(.+)},
				{source_labels: [__meta_consul_tags], regex: ".*,(blue|green),.*", target_label: colour}]`,
			identity: Identity{"webapp", "web1:8000", "3"}, url: "http://10.0.0.5:40001/m",
			labels: map[string]string{
				"job": "webapp", "instance": "web1:8000", "worker_id": "3", "metrics_path": "/m", "colour": "blue",
			},
		},
		{
			name:     "the meta path is set before the rules",
			rules:    `relabel_configs: [{source_labels: [__metrics_path__], target_label: __metrics_path__, replacement: "/x$1"}]`,
			identity: Identity{"webapp", "web1:8000", "3"}, url: "http://10.0.0.5:40001/x/m",
			labels: map[string]string{"job": "webapp", "instance": "web1:8000", "worker_id": "3"},
		},
		{
			name:     "dropped meta labels do not drop the identity",
			rules:    `relabel_configs: [{action: labeldrop, regex: "__meta_.*|job"}]`,
			identity: Identity{"webapp", "web1:8000", "3"}, url: "http://10.0.0.5:40001/m",
			labels: map[string]string{"job": "webapp", "instance": "web1:8000", "worker_id": "3"},
		},
		{
			name: "parameters",
			rules: `params: {module: [a, b], "n m": ["&"]}
relabel_configs: [{source_labels: [__param_module], target_label: __param_module, replacement: "x$1"}, {target_label: __param_new, replacement: "1"}]`,
			identity: Identity{"webapp", "web1:8000", "3"}, url: "http://10.0.0.5:40001/m?module=xa&module=b&n+m=%26&new=1",
			labels: map[string]string{"job": "webapp", "instance": "web1:8000", "worker_id": "3"},
		},
		{
			name:     "another worker label",
			rules:    "worker_label: pid\nscheme: https",
			identity: Identity{"webapp", "web1:8000", "3"}, url: "https://10.0.0.5:40001/m",
			labels: map[string]string{"job": "webapp", "instance": "web1:8000", "pid": "3"},
		},
		{
			name:     "job and address by rule",
			rules:    `relabel_configs: [{target_label: job, replacement: other}, {source_labels: [__address__], regex: "(.*):.*", target_label: __address__, replacement: "$1:9"}]`,
			identity: Identity{"other", "web1:8000", "3"}, url: "http://10.0.0.5:9/m",
			labels: map[string]string{"job": "other", "instance": "web1:8000", "worker_id": "3"},
		},
		{name: "drop", rules: `relabel_configs: [{source_labels: [__meta_consul_node], regex: web1, action: drop}]`, dropped: true},
		{name: "keep", rules: `relabel_configs: [{source_labels: [__meta_consul_node], regex: web2, action: keep}]`, dropped: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			target, keep, err := NewTarget(registration(meta), options(t, tc.rules), "webapp", Consul)
			if err != nil {
				t.Fatal(err)
			}
			if keep == tc.dropped {
				t.Fatalf("keep = %v", keep)
			}
			if tc.dropped {
				return
			}
			if target.Identity != tc.identity || target.URL() != tc.url {
				t.Errorf("%v %s, want %v %s", target.Identity, target.URL(), tc.identity, tc.url)
			}
			if diff := cmp.Diff(tc.labels, target.Labels); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadTargets(t *testing.T) {
	f := func(name, value, want string) {
		t.Helper()
		_, _, err := NewTarget(registration(map[string]string{name: value}), options(t, ""), "webapp", Consul)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s=%q: error %v, want %q in it", name, value, err, want)
		}
	}
	f("__address__", "", "no address")
	f("__address__", "10.0.0.5", "is not host:port")
	f("__address__", ":40001", "is not host:port")
	f("__address__", "http://h:40001", "is not host:port")
	f("__address__", "u@h:40001", "is not host:port")
	f("__address__", "h/x:40001", "is not host:port")
	f("__address__", "::1:40001", "is not host:port")
	f("__address__", "h:0", "1 to 65535")
	f("__address__", "h:-1", "1 to 65535")
	f("__address__", "h:65536", "1 to 65535")
	f("__address__", "h:http", "1 to 65535")
	f("__address__", "h:+80", "1 to 65535")
	f("__scheme__", "ftp", "neither http nor https")
	f("note", "\xff", "is not UTF-8")
}

func TestValidate(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		opts := DefaultOptions()
		err := yaml.UnmarshalStrict([]byte(text), &opts)
		if err == nil {
			err = opts.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", text, err, want)
		}
	}
	f(`worker_label: ""`, "worker_label: is empty")
	f(`worker_label: le`, "another meaning")
	f(`worker_label: __worker`, "cannot be the name")
	f(`scheme: ftp`, "scheme: ")
	f(`metrics_path: ""`, "metrics_path: ")
	f(`relabel_configs: [{action: hashmod, target_label: x}]`, "relabel_configs[0]: ")
	f(`metric_relabel_configs: [{action: keep, regex: x}, null]`, "metric_relabel_configs[1]: empty rule")
	f(`relabel_config: []`, "not found")
}
