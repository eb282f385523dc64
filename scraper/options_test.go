package scraper

import (
	"math"
	"strings"
	"testing"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

func TestParseBytes(t *testing.T) {
	f := func(s string, want Bytes, text string) {
		t.Helper()
		got, err := ParseBytes(s)
		if err != nil || got != want || got.String() != text {
			t.Errorf("ParseBytes(%q) = %d (%v), %v; want %d (%s)", s, got, got, err, want, text)
		}
	}
	f("64MB", 64<<20, "64MB")
	f("64MiB", 64<<20, "64MB")
	f("1KB", 1024, "1KB")
	f("1KiB", 1024, "1KB")
	f("1.5GB", 3<<29, "1536MB")
	f("100", 100, "100B")
	f("0", 0, "0")
	f("7B", 7, "7B")
	f("2TB", 2<<40, "2TB")
}

func TestParseBytesRefuses(t *testing.T) {
	for _, s := range []string{"", "MB", "64mb", "64kB", "-1MB", "1 MB", "64XB", "1e3", "NaN", "Inf", "9EB", "0x10", "1_0", "1BB", "1iB", "1BiB", "1.2.3MB"} {
		if got, err := ParseBytes(s); err == nil {
			t.Errorf("ParseBytes(%q) = %d, no error", s, got)
		}
	}
}

func FuzzParseBytes(f *testing.F) {
	for _, s := range []string{"64MB", "1.5GiB", "0", "9EB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := ParseBytes(s)
		if err != nil {
			return
		}
		again, err := ParseBytes(b.String())
		if b < 0 || b < 1<<53 && (err != nil || again != b) {
			t.Errorf("%q is %d, which is %v, which is %d (%v)", s, b, b, again, err)
		}
	})
}

func TestOptionsDefaultsAreValid(t *testing.T) {
	o := NewOptions()
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	if o.HTTPClient.FollowRedirects || !o.HTTPClient.EnableHTTP2 || o.EnableCompression {
		t.Errorf("%+v", o)
	}
}

func TestOptionsValidate(t *testing.T) {
	f := func(want string, change func(*Options)) {
		t.Helper()
		o := NewOptions()
		change(&o)
		if err := o.Validate(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	names := "(OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, PrometheusText0.0.4, PrometheusProto)"
	f("scrape_timeout: must be more than 0s", func(o *Options) { o.ScrapeTimeout = 0 })
	f("scrape_protocols: must not be empty", func(o *Options) { o.ScrapeProtocols = nil })
	f(`scrape_protocols[0]: unknown protocol "prometheusproto" `+names, func(o *Options) { o.ScrapeProtocols = []Protocol{"prometheusproto"} })
	f(`scrape_protocols[0]: unknown protocol "OpenMetricsText2.0.0" `+names, func(o *Options) { o.ScrapeProtocols = []Protocol{"OpenMetricsText2.0.0"} })
	f(`scrape_protocols[1]: "PrometheusText0.0.4" is there twice`, func(o *Options) {
		o.ScrapeProtocols = []Protocol{PrometheusText0_0_4, PrometheusText0_0_4}
	})
	f("sample_limit: must not be negative (0 is no limit)", func(o *Options) { o.SampleLimit = -1 })
	f("label_limit: must not be negative (0 is no limit)", func(o *Options) { o.LabelLimit = -1 })
	f("label_name_length_limit: must not be negative (0 is no limit)", func(o *Options) { o.LabelNameLengthLimit = -1 })
	f("label_value_length_limit: must not be negative (0 is no limit)", func(o *Options) { o.LabelValueLengthLimit = math.MinInt })
	f(`http_headers: setting header "Host" is not allowed`, func(o *Options) {
		o.HTTPClient.HTTPHeaders = &promconfig.Headers{Headers: map[string]promconfig.Header{"host": {}}}
	})
	f("at most one of basic_auth, oauth2 & authorization must be configured", func(o *Options) {
		o.HTTPClient.BasicAuth = &promconfig.BasicAuth{}
		o.HTTPClient.Authorization = &promconfig.Authorization{}
	})
}

func TestOptionsYAMLHidesSecrets(t *testing.T) {
	o := NewOptions()
	text := "body_size_limit: 1MB\nscrape_protocols: [OpenMetricsText0.0.1]\nbasic_auth: {username: u, password: hunter2}\n"
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	if o.BodySizeLimit != 1<<20 || string(o.HTTPClient.BasicAuth.Password) != "hunter2" || len(o.ScrapeProtocols) != 1 {
		t.Errorf("%+v", o)
	}
	b, err := yaml.Marshal(o)
	if err != nil || strings.Contains(string(b), "hunter2") || !strings.Contains(string(b), "body_size_limit: 1MB") {
		t.Errorf("%s (%v)", b, err)
	}
}
