package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// TestSharedPort registers one port behind which three real processes answer in turn. Each has counted hundreds: taken
// for one worker that restarts, fifty scrapes would add up to thousands.
func TestSharedPort(t *testing.T) {
	python := realbin.Python(t, "prometheus_client")
	for _, how := range []string{"reuseport", "fork"} {
		t.Run(how, func(t *testing.T) {
			address := freeAddress(t)
			_, port, _ := strings.Cut(address, ":")
			c := startChild(t, "testdata", []string{"PYTHONDONTWRITEBYTECODE=1"}, python, "shared_port.py", how, port)
			await(t, "three processes", func() bool { return strings.Count(c.log.String(), "ready") == 3 })
			body := "# TYPE x_total counter\nx_total 5\n"
			good := misbehave(t, say(head+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)))
			url := serveStatic(t, []string{"good=" + good, "shared=" + address})
			before := 0.0
			for i := range 50 {
				status, page := get(t.Context(), url+"/merged?job=webapp&instance=web1:8000")
				_, own := get(t.Context(), url+"/metrics")
				asked := value(own, `fedscrape_rounds_total{job="webapp",trigger="request"}`) + value(own, `fedscrape_rounds_total{job="webapp",trigger="sweep"}`)
				merged, truth := value(page, "shared_total"), 100+200+300+asked // each answer counts itself
				if status != http.StatusOK || !(merged <= truth) || merged < before {
					t.Fatalf("scrape %d: status %d, merged %v after %v, the truth is %v\n%s", i, status, merged, before, truth, page)
				}
				before = merged
			}
			_, api := get(t.Context(), url+"/api/v1/instances")
			if !strings.Contains(api, "several processes answer at "+address) || !strings.Contains(api, `"state":"failed"`) {
				t.Errorf("the API does not say it: %s", api)
			}
		})
	}
}
