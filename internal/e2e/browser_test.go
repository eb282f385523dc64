package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// chromium finds Debian's browser, or one under another name.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	realbin.Skip(t, "chromium is missing: apt-get install chromium")
	return ""
}

// render has a real browser open a page, and gives what it made of it.
func render(t *testing.T, browser, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--user-data-dir="+t.TempDir(), "--dump-dom", url)
	var log strings.Builder
	cmd.Stderr = &log
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	return string(out)
}

// TestBrowser opens the page for people in a real browser, with a worker whose name and error are markup.
func TestBrowser(t *testing.T) {
	browser := chromium(t)
	body := "# TYPE x_total counter\nx_total{view=\"<b>fire</b>\"} 5\n"
	good := misbehave(t, say(head+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)))
	bad := misbehave(t, say("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 26\r\n\r\n<script>document.title='x'"))
	base := serveStatic(t, []string{"'<i>good</i>'=" + good, "bad=" + bad})
	if status, page := get(t.Context(), base+"/merged?job=webapp&instance=web1:8000"); status != 200 {
		t.Fatal(page)
	}
	dom := render(t, browser, base+"/")
	for _, want := range []string{
		`<td class="up">up</td>`, `<td class="failed">failed</td>`, "&lt;i&gt;good&lt;/i&gt;", "1 of 2 workers up", "<title>fedscrape</title>",
		`<input type="hidden" name="instance" value="web1:8000">`,
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("the browser has no %s", want)
		}
	}
	form := url.Values{"job": {"webapp"}, "instance": {"web1:8000"}, "metric": {"x_total"}}
	explained := render(t, browser, base+"/?"+form.Encode())
	for _, want := range []string{`<h2 id="explained">x_total</h2>`, `view="&lt;b&gt;fire&lt;/b&gt;"`, `<span class="up" title="up">&lt;i&gt;good&lt;/i&gt;: 0 + 5</span>`} {
		if !strings.Contains(explained, want) {
			t.Errorf("the browser has no %s", want)
		}
	}
	if run := regexp.MustCompile(`<(script|i|b)>`).FindString(dom + explained); run != "" {
		t.Errorf("the browser took a worker's %s for markup", run)
	}
	if t.Failed() {
		t.Log(dom, explained)
	}
}
