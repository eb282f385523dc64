package federator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/ledger"
	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/relabel"
	"github.com/fedscrape/fedscrape/scraper"
)

// pagesOf is a Fetcher that has the pages of some workers, of several rounds.
type pagesOf struct {
	pages [][]string // by worker, by round
	round int
	total int64
	gone  int // the first of them, who refuse connections
}

func (p *pagesOf) Fetch(_ context.Context, url string, _ time.Duration, handle func(*scraper.Response) error) error {
	_, port, _ := strings.Cut(strings.TrimSuffix(url, "/metrics"), "worker:")
	w, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	if w < p.gone {
		return syscall.ECONNREFUSED
	}
	body := p.pages[w][p.round%len(p.pages[w])]
	return handle(&scraper.Response{ContentType: "text/plain; version=0.0.4", LengthTold: true, Length: int64(len(body)), Body: strings.NewReader(body)})
}

// newPages makes pages of some workers: their values grow from round to round, and each has its own order of children.
func newPages(workers, series, rounds int) *pagesOf {
	p := &pagesOf{}
	for w := range workers {
		var pages []string
		for round := range rounds {
			pages = append(pages, benchPage(w, series, round))
		}
		p.pages = append(p.pages, pages)
		p.total += int64(len(pages[0]))
	}
	return p
}

func benchPage(w, series, round int) string {
	var b strings.Builder
	r := rand.New(rand.NewPCG(uint64(w), 1))
	b.WriteString("# HELP process_start_time_seconds Start.\n# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.6e9\n")
	for family := range series / 40 {
		name := fmt.Sprintf("http_family_%d", family)
		fmt.Fprintf(&b, "# HELP %s_total Requests of this family.\n# TYPE %s_total counter\n", name, name)
		for _, child := range r.Perm(15) {
			fmt.Fprintf(&b, "%s_total{method=\"GET\",endpoint=\"/api/v1/some/%d\",code=\"200\"} %d\n", name, child, r.IntN(1000)+round*7)
		}
		fmt.Fprintf(&b, "# HELP %s_open Now open.\n# TYPE %s_open gauge\n", name, name)
		for child := range 6 {
			fmt.Fprintf(&b, "%s_open{pool=\"%d\"} %d.5\n", name, child, r.IntN(100)+round)
		}
		fmt.Fprintf(&b, "# HELP %s_seconds Duration.\n# TYPE %s_seconds histogram\n", name, name)
		n := r.IntN(100) + round*20
		for i, le := range []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "20.0", "60.0", "90.0", "+Inf"} {
			fmt.Fprintf(&b, "%s_seconds_bucket{endpoint=\"/api/v1/some\",le=%q} %d.0\n", name, le, n+i)
		}
		fmt.Fprintf(&b, "%s_seconds_count{endpoint=\"/api/v1/some\"} %d.0\n%s_seconds_sum{endpoint=\"/api/v1/some\"} %v\n", name, n+14, name, float64(n)*0.00171)
	}
	return b.String()
}

// BenchmarkRound is all of a round but the network: a ledger on disk, the page written as text. Of few lines it is what a
// round costs however many there are. At the end of its pages each worker that grows resets; where there are two, each
// second page is a fall of every line.
func BenchmarkRound(b *testing.B) {
	for _, c := range []struct {
		name                   string
		workers, lines, rounds int
		step                   int
	}{{"unchanged", 32, 2000, 6, 0}, {"growing", 32, 2000, 6, 1}, {"falling", 32, 2000, 2, 1}, {"few", 8, 200, 6, 1}} {
		b.Run(c.name, func(b *testing.B) {
			p := newPages(c.workers, c.lines, c.rounds)
			in := benchInstance(b, p, relabel.NewMetric(nil))
			ctx := b.Context()
			encode := func(page *Page) {
				if err := exposition.EncodeFilled(io.Discard, exposition.Negotiate("text/plain"), page.Families); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(p.total)
			b.ReportAllocs()
			for b.Loop() {
				page, err := in.Gather(ctx)
				if err != nil {
					b.Fatal(err)
				}
				encode(page)
				p.round += c.step
			}
		})
	}
}

func benchInstance(b *testing.B, p *pagesOf, rules *relabel.Metric) *Instance {
	b.Helper()
	disk, err := ledger.Open(b.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = disk.Close() })
	options := merge.NewOptions()
	options.DefaultGaugeMode = merge.ModeLiveSum
	job := &Job{
		Name: "webapp", Merge: options, Fetcher: p, ScrapeTimeout: 10 * time.Second, SweepInterval: time.Hour, Metric: rules,
	}
	f := New(Options{Logger: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)), Registerer: prometheus.NewRegistry(), Ledger: disk})
	b.Cleanup(f.Close)
	f.Apply([]*Job{job})
	register(f, 0, len(p.pages))
	return f.instances[instanceKey{"webapp", "web1"}]
}

// register says that the workers from begin to before end are there.
func register(f *Federator, begin, end int) {
	var list []discovery.Worker
	for w := begin; w < end; w++ {
		name := strconv.Itoa(w)
		list = append(list, discovery.Worker{Key: name, Target: relabel.Target{
			Identity: relabel.Identity{Job: "webapp", Instance: "web1", WorkerID: name}, Scheme: "http", Address: "worker:" + name, MetricsPath: "/metrics",
		}})
	}
	f.Update(discovery.Update{Job: "webapp", Workers: list, Answered: true})
}
