package e2e

import (
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// misbehave listens as a worker and answers every request by f, which has the raw connection.
func misbehave(t *testing.T, f func(c net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends with its listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection, which the federator cuts, or the test's end
				defer func() { _ = c.Close() }()
				buf := make([]byte, 4096)
				if _, err := c.Read(buf); err == nil {
					f(c)
				}
			}()
		}
	}()
	return l.Addr().String()
}

const (
	head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
	bare = "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n"
)

func say(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = c.Write([]byte(text)) }
}

// bomb is a hundred megabytes of zeros in a hundred kilobytes of gzip.
func bomb(t *testing.T) string {
	t.Helper()
	var packed strings.Builder
	w, zeros := gzip.NewWriter(&packed), make([]byte, 1<<20)
	for range 100 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}

// TestBadWorkers has one good worker among all that can be wrong with the others, on real connections.
func TestBadWorkers(t *testing.T) {
	body := "# TYPE x_total counter\nx_total 5\n"
	whole := head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	chunk := strings.Repeat("x_total{a=\"b\"} 5\n", 1<<12)
	bad := map[string]struct{ result, reason, address string }{
		"html":   {"parse", "a metric name is expected", misbehave(t, say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"))},
		"half":   {"parse", "", misbehave(t, say(head+"Content-Length: 1000\r\n\r\n"+body))},
		"cut":    {"parse", "not whole", misbehave(t, say(bare+"# TYPE x_total counter\nx_total 5"))},
		"error":  {"http_status", "500", misbehave(t, say("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"))},
		"silent": {"timeout", "no answer", misbehave(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })},
		"endless": {"too_large", "body_size_limit", misbehave(t, func(c net.Conn) {
			_, err := c.Write([]byte(bare))
			for range 10 << 14 { // 10 GB, if anybody read them
				if err == nil {
					_, err = c.Write([]byte(chunk))
				}
			}
		})},
		"bomb":     {"too_large", "body_size_limit", misbehave(t, say(head+"Content-Encoding: gzip\r\nConnection: close\r\n\r\n"+bomb(t)))},
		"label":    {"too_large", "body_size_limit", misbehave(t, say(head+"Connection: close\r\n\r\nx_total{a=\""+strings.Repeat("a", 10<<20)+"\"} 5\n"))},
		"utf8":     {"parse", "UTF-8", misbehave(t, say(head+"Content-Length: 16\r\n\r\nx_total{a=\"\xff\"} 5\n"))},
		"redirect": {"http_status", "302", misbehave(t, say("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"))},
		"drip": {"timeout", "no answer", misbehave(t, func(c net.Conn) {
			_, err := c.Write([]byte(head + "\r\n"))
			for err == nil {
				<-time.After(time.Second)
				_, err = c.Write([]byte("x"))
			}
		})},
	}
	targets := []string{"good=" + misbehave(t, say(whole))}
	for name, b := range bad {
		targets = append(targets, name+"="+b.address)
	}
	url := serveStatic(t, targets)
	checkBadRounds(t, url, len(bad))
	_, api := get(t.Context(), url+"/api/v1/instances")
	_, metrics := get(t.Context(), url+"/metrics")
	for name, b := range bad {
		if at := strings.Index(api, fmt.Sprintf(`"workerId":%q`, name)); at < 0 || !strings.Contains(api[at:at+strings.IndexByte(api[at:], '}')], b.reason) {
			t.Errorf("%s: the API does not say %q: %s", name, b.reason, api)
		}
		if v := value(metrics, fmt.Sprintf("fedscrape_scrapes_total{job=\"webapp\",result=%q}", b.result)); !(v > 0) {
			t.Errorf("%s: no scrape is counted as %s", name, b.result)
		}
	}
}

// serveStatic starts the federator over name=address targets, with a short timeout and a small limit.
func serveStatic(t *testing.T, targets []string) (url string) {
	t.Helper()
	var groups strings.Builder
	for _, target := range targets {
		name, address, _ := strings.Cut(target, "=")
		fmt.Fprintf(&groups, "      - targets: ['%s']\n        labels: {worker_id: %s, instance: 'web1:8000'}\n", address, name)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "fedscrape.yml"), `
federate_configs:
  - job_name: webapp
    scrape_timeout: 5s
    body_size_limit: 1MB
    static_configs:
`+groups.String())
	f := &federator{}
	f.start(t, dir, "/sd/instances", func(port string) []string {
		return []string{"serve", "--config.file=fedscrape.yml", "--web.listen-address=127.0.0.1:" + port, "--ledger.path="}
	})
	return f.url
}

// checkBadRounds wants the good worker's part on time, the first time and when those who hang are known.
func checkBadRounds(t *testing.T, url string, failed int) {
	t.Helper()
	for i, limit := range []time.Duration{15 * time.Second, 5 * time.Second, 5 * time.Second} {
		begun := time.Now()
		status, page := get(t.Context(), url+"/merged?job=webapp&instance=web1:8000")
		if took := time.Since(begun); status != http.StatusOK || took > limit {
			t.Errorf("round %d: status %d after %s", i, status, took)
		}
		if value(page, "x_total") != 5 || value(page, `fedscrape_workers{state="up"}`) != 1 || value(page, `fedscrape_workers{state="failed"}`) != float64(failed) {
			t.Errorf("round %d:\n%s", i, page)
		}
	}
}
