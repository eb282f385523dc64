package scraper

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// TestAcceptIsPrometheus holds the header that each list of protocols gives against the one that a real Prometheus sends
// for it.
func TestAcceptIsPrometheus(t *testing.T) {
	lists := [][]Protocol{
		{PrometheusProto},
		{PrometheusProto, OpenMetricsText1_0_0, OpenMetricsText0_0_1, PrometheusText1_0_0, PrometheusText0_0_4},
		{OpenMetricsText1_0_0, PrometheusProto},
		NewOptions().ScrapeProtocols,
	}
	type ask struct{ path, accept string }
	asked := make(chan ask, 100)
	u := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- ask{strings.TrimPrefix(r.URL.Path, "/"), r.Header.Get("Accept")}:
		default:
		}
	})
	var config strings.Builder
	config.WriteString("global: {scrape_interval: 100ms, scrape_timeout: 100ms}\nscrape_configs:\n")
	for i, list := range lists {
		fmt.Fprintf(&config, "- {job_name: j%d, metrics_path: /%d, static_configs: [{targets: ['%s']}], scrape_protocols: %s}\n",
			i, i, strings.TrimPrefix(u, "http://"), strings.ReplaceAll(fmt.Sprint(list), " ", ", "))
	}
	realbin.StartPrometheus(t, config.String())
	seen, deadline := map[string]string{}, time.After(20*time.Second)
	for len(seen) < len(lists) {
		select {
		case a := <-asked:
			seen[a.path] = a.accept
		case <-deadline:
			t.Fatalf("Prometheus asked for %v only", seen)
		}
	}
	for i, list := range lists {
		if got, want := acceptHeader(list), seen[strconv.Itoa(i)]; got != want {
			t.Errorf("%v: got %s\nwant %s", list, got, want)
		}
	}
}
