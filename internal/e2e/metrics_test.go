package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ownMetrics are the federator's, with their labels, but for what the ledger says of itself.
var ownMetrics = map[string]string{
	"fedscrape_build_info":                                   "branch goarch goos goversion revision tags version",
	"fedscrape_rounds_total":                                 "job trigger",
	"fedscrape_round_duration_seconds_count":                 "job",
	"fedscrape_scrapes_total":                                "job result",
	"fedscrape_scrape_bytes_total":                           "job",
	"fedscrape_instances":                                    "job",
	"fedscrape_workers":                                      "job state",
	"fedscrape_workers_departed_total":                       "job reason",
	"fedscrape_resets_absorbed_total":                        "job",
	"fedscrape_conflicts":                                    "job kind",
	"fedscrape_finals_total":                                 "job result",
	"fedscrape_discovery_updates_total":                      "job",
	"fedscrape_discovery_errors_total":                       "job",
	"fedscrape_discovery_last_success_timestamp_seconds":     "job",
	"fedscrape_config_last_reload_successful":                "",
	"fedscrape_config_last_reload_success_timestamp_seconds": "",
}

// TestOwnMetrics holds /metrics against the list, and against promtool. No instance and no worker may be a label: a
// fleet of them would make as many series as it watches.
func TestOwnMetrics(t *testing.T) {
	body := "# TYPE x_total counter\nx_total 5\n"
	good := misbehave(t, say(head+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)))
	url := serveStatic(t, []string{"good=" + good})
	if status, page := get(t.Context(), url+"/merged?job=webapp&instance=web1:8000"); status != 200 {
		t.Fatal(page)
	}
	_, own := get(t.Context(), url+"/metrics")
	if out, err := promtool(t, own, "check", "metrics"); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
	seen := map[string]bool{}
	sample := regexp.MustCompile(`(?m)^(fedscrape_\w+)(?:\{(.*)\})? `)
	label := regexp.MustCompile(`(\w+)="`)
	for _, m := range sample.FindAllStringSubmatch(own, -1) {
		var names []string
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			names = append(names, l[1])
			if slices.Contains([]string{"instance", "worker", "worker_id", "service_id", "address"}, l[1]) {
				t.Errorf("%s has the label %s", m[1], l[1])
			}
		}
		slices.Sort(names)
		if want, known := ownMetrics[m[1]]; known && want != strings.Join(names, " ") {
			t.Errorf("%s has the labels %v, want %s", m[1], names, want)
		}
		seen[m[1]] = true
	}
	for name := range ownMetrics {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
}
