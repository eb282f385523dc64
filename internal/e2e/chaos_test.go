package e2e

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

// warmUp is how many requests are served before Prometheus begins to scrape.
const warmUp = 10

// TestChaos kills the federator again and again, and Consul, and workers, under load, while a real Prometheus scrapes: no
// counter falls, and none has lost more than what a killed worker took with it.
// FEDSCRAPE_CHAOS_KILLS is how often the federator is killed, FEDSCRAPE_CHAOS_SEED replays a schedule.
func TestChaos(t *testing.T) {
	kills := int(setting(t, "FEDSCRAPE_CHAOS_KILLS", 25))
	seed := setting(t, "FEDSCRAPE_CHAOS_SEED", uint64(time.Now().UnixNano()))
	t.Logf("FEDSCRAPE_CHAOS_SEED=%d", seed)
	begun := time.Now()
	c, app, truth := startChaos(t, seed)
	for i := range warmUp {
		if status, body := get(t.Context(), app+paths[i%2]); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	}
	p := scrapeChaos(t, c.f)
	pages := read(t, c.f.merged())
	c.run(t, app, kills)
	v, page := c.settled(t, truth)
	pages.end(t)
	recorded := p.judge(t, page, time.Since(begun))
	lives := readLives(t, truth)
	t.Logf("chaos: seed %d: the federator was killed %d times, %d of them before it was ready, and ended %d times; Consul was killed %d times; "+
		"workers: %d killed, %d ended, %d stopped, %d lives, %d handed in", seed, kills, c.unready, c.terms, c.consuls.Load(), c.killed.Load(),
		c.ended.Load(), c.stopped.Load(), len(lives), v.taken)
	t.Logf("chaos: %d requests counted, %d answered, %d not; %d missing, %d may be; %d pages read, %d values fell; in Prometheus: %s",
		v.requests, c.answered.Load()+warmUp, c.rejected.Load(), v.lost, v.allowed, pages.n.Load(), len(pages.fell), recorded)
	t.Logf("chaos: what may have lost something:\n%s", strings.Join(v.losses, "\n"))
	if done := len(c.dead) - c.terms; done != kills {
		t.Errorf("the federator was killed %d times, want %d", done, kills)
	}
	if c.consuls.Load() == 0 || c.killed.Load() == 0 || c.ended.Load() == 0 || c.stopped.Load() == 0 || v.taken == 0 {
		t.Error("a kind of fault did not happen")
	}
	if v.requests < int(c.answered.Load())+warmUp {
		t.Errorf("the workers wrote down %d requests, and %d were answered", v.requests, c.answered.Load()+warmUp)
	}
}

func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// startChaos starts Consul, the federator and gunicorn.
func startChaos(t *testing.T, seed uint64) (c *chaos, app, truth string) {
	t.Helper()
	c = &chaos{seed: seed, over: make(chan struct{}), consulPort: realbin.FreePort(t)}
	c.consul = realbin.ConsulAgent(t, realbin.ConsulOptions{HTTPPort: c.consulPort})
	c.f = serve(t, c.consul.Addr, "")
	truth = t.TempDir()
	example, err := filepath.Abs("../../examples/gunicorn")
	if err != nil {
		t.Fatal(err)
	}
	bind := freeAddress(t)
	c.master = startChild(t, "testdata", []string{
		"CONSUL_HTTP_ADDR=" + c.consul.Addr, "FEDSCRAPE_URL=" + c.f.url, "FEDSCRAPE_INSTANCE=web1:8000", "PYTHONDONTWRITEBYTECODE=1",
		"FEDSCRAPE_HELPER=" + filepath.Join(example, "..", "python"), "FEDSCRAPE_EXAMPLE=" + example, "FEDSCRAPE_TRUTH=" + truth,
		"TMPDIR=" + t.TempDir(),
	}, realbin.Python(t, "prometheus_client", "flask", "gunicorn"), "-m", "gunicorn", "chaos:app", "-b", bind,
		"--max-requests", "400", "--max-requests-jitter", "400")
	if len(c.workers()) == 0 {
		if _, err := os.Stat("/proc/self/task"); err != nil {
			realbin.Skip(t, "/proc/PID/task/PID/children (Linux)")
		}
	}
	c.f.awaitWorkers(t, 4)
	return c, "http://" + bind, truth
}

// scrapeChaos runs a Prometheus with all that could take a counter for reset.
func scrapeChaos(t *testing.T, f *federator) *prometheus {
	t.Helper()
	p := &prometheus{realbin.StartPrometheus(t, fmt.Sprintf(`
global:
  scrape_interval: 500ms
  scrape_timeout: 500ms
  scrape_native_histograms: true
scrape_configs:
  - job_name: fedscrape
    http_sd_configs:
      - url: %s/sd/instances
        refresh_interval: 1s
`, f.url), "--enable-feature=created-timestamp-zero-ingestion,native-histograms")}
	for _, path := range paths { // before there is any load: its first sample is known then
		p.await(t, chaosSeries(path)+`,job="webapp",instance="web1:8000"}`, warmUp/2)
	}
	return p
}

// chaosSeries is how the requests to a path are counted, but for the end of its labels.
func chaosSeries(path string) string {
	return fmt.Sprintf(`request_count_total{app_name="webapp",endpoint=%q,http_status="200",method="GET"`, path)
}

// run lets it happen until the federator has been killed so many times.
func (c *chaos) run(t *testing.T, app string, kills int) {
	t.Helper()
	var faults, clients sync.WaitGroup
	served := make(chan struct{})
	faults.Go(func() { c.killConsul(t) })
	faults.Go(c.disturbWorkers)
	for i := range uint64(3) {
		clients.Go(func() { c.load(t, app, 10+i, served) })
	}
	defer clients.Wait()
	defer close(served)
	defer faults.Wait()
	defer close(c.over)
	c.killFederator(t, kills)
}

// settled waits until the merged page says what the workers counted, and gives the page.
func (c *chaos) settled(t *testing.T, truth string) (v *verdict, page string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		alive := map[string]bool{}
		for _, pid := range c.workers() {
			alive[strconv.Itoa(pid)] = true
		}
		_, page = get(t.Context(), c.f.merged())
		v = judge(page, readLives(t, truth), c.dead, func(l *life) bool {
			pid, _, _ := strings.Cut(l.name, "-")
			return alive[pid]
		})
		if len(v.wrong) == 0 {
			return v, page
		}
		if time.Now().After(deadline) {
			t.Errorf("after a minute without faults:\n%s\n%s", strings.Join(v.wrong, "\n"), page)
			return v, page
		}
		select {
		case <-t.Context().Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// pageReader reads merged pages all along and holds that nothing on them falls.
type pageReader struct {
	n    atomic.Int64
	fell []string
	stop chan struct{}
	done sync.WaitGroup
}

func read(t *testing.T, url string) *pageReader {
	t.Helper()
	p := &pageReader{stop: make(chan struct{})}
	p.done.Go(func() {
		last := map[string]float64{}
		for {
			select {
			case <-p.stop:
				return
			case <-t.Context().Done():
				return
			case <-time.After(30 * time.Millisecond): // a federator that is down refuses at once
			}
			status, page := get(t.Context(), url)
			if status != http.StatusOK {
				continue
			}
			p.n.Add(1)
			now := cumulative(page)
			for series, before := range last {
				if after, ok := now[series]; !ok || after < before {
					p.fell = append(p.fell, fmt.Sprintf("page %d: %s fell from %v to %v", p.n.Load(), series, before, after))
				}
			}
			last = now
		}
	})
	return p
}

func (p *pageReader) end(t *testing.T) {
	t.Helper()
	close(p.stop)
	p.done.Wait()
	for _, fell := range p.fell {
		t.Error(fell)
	}
}

// judge holds what Prometheus has recorded against the last page.
func (p *prometheus) judge(t *testing.T, page string, since time.Duration) string {
	t.Helper()
	all := fmt.Sprintf("[%ds]", int(math.Ceil(since.Seconds()))+60)
	gained := 0.0
	for _, path := range paths {
		series := chaosSeries(path)
		want := value(page, series+"}")
		series += `,job="webapp",instance="web1:8000"}`
		p.await(t, series, want)
		samples := p.query(t, series+all)
		if len(samples) != 1 {
			t.Fatalf("%s: %d series", series, len(samples))
		}
		values := samples[0].Values
		first, last := number(values[0][1]), number(values[len(values)-1][1])
		if first != 0 && first != warmUp/2 || last != want { // 0 where Prometheus sets it at the start time
			t.Errorf("%s: first sample %v, last %v, served %v", series, first, last, want)
		}
		gained += last - first
	}
	return fmt.Sprintf("%v gained, %s", gained, p.judgeResets(t, all))
}

// judgeResets holds that resets() of every cumulative series is 0.
func (p *prometheus) judgeResets(t *testing.T, all string) string {
	t.Helper()
	const cumulative = `{job="webapp",__name__=~".+_(total|bucket|count|sum)"}`
	series := 0
	names := p.query(t, "group by (__name__) (last_over_time("+cumulative+all+"))")
	for _, name := range names {
		for _, r := range p.query(t, "resets("+name.Metric["__name__"]+`{job="webapp"}`+all+")") {
			if series++; number(r.Value[1]) != 0 {
				t.Errorf("%s %v: %v resets", name.Metric["__name__"], r.Metric, r.Value[1])
			}
		}
	}
	if len(names) < 10 || series < 50 {
		t.Errorf("only %d names and %d series", len(names), series)
	}
	return fmt.Sprintf("0 resets in %d series of %d names", series, len(names))
}
