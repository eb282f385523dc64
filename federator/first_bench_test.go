package federator

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v2"

	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/relabel"
)

// firstPages are pages of workers that nobody has asked before: the same families and children, each worker with its
// own order of children. Four tenths of the lines are buckets, as in bench/corpus.
func firstPages(workers, series int) (pages [][]string) {
	for w := range workers {
		pages = append(pages, []string{firstPage(rand.New(rand.NewPCG(uint64(w), 2)), series)})
	}
	return pages
}

func firstPage(r *rand.Rand, series int) string {
	var b strings.Builder
	b.WriteString("# HELP process_start_time_seconds Start.\n# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.6e9\n")
	children := func(name, typ string, n int, child func(labels string)) {
		fmt.Fprintf(&b, "# HELP %s What is counted here.\n# TYPE %s %s\n", name, name, typ)
		for _, i := range r.Perm(n) {
			child(fmt.Sprintf(`endpoint="/api/v%d/%s/{id}",method="%s"`, i%3, []string{"orders", "customers", "invoices"}[i/3%3], []string{"GET", "POST", "PUT"}[i/9]))
		}
	}
	for f := range series / 1000 {
		for half := range 2 {
			name := fmt.Sprintf("app%d_request_duration%d_seconds", f, half)
			children(name, "histogram", 13, func(labels string) {
				n := r.IntN(1000)
				for i, le := range []string{"0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1.0", "2.5", "5.0", "7.5", "10.0", "+Inf"} {
					fmt.Fprintf(&b, "%s_bucket{%s,le=%q} %d.0\n", name, labels, le, n+i)
				}
				fmt.Fprintf(&b, "%s_count{%s} %d.0\n%s_sum{%s} %v\n", name, labels, n+14, name, labels, float64(n)*0.00171)
			})
		}
		for i := range 14 {
			name := fmt.Sprintf("app%d_requests%d_total", f, i)
			children(name, "counter", 27, func(labels string) { fmt.Fprintf(&b, "%s{%s,http_status=\"200\"} %d.0\n", name, labels, r.IntN(1000)) })
		}
		for i := range 7 {
			name := fmt.Sprintf("app%d_pool%d_in_use", f, i)
			children(name, "gauge", 27, func(labels string) { fmt.Fprintf(&b, "%s{%s} %d.0\n", name, labels, r.IntN(1000)) })
		}
	}
	return b.String()
}

// benchRules are those of the configuration that the product is measured with.
func benchRules(b *testing.B) *relabel.Metric {
	b.Helper()
	text, err := os.ReadFile("../bench/fedscrape.yml")
	if err != nil {
		b.Fatal(err)
	}
	var config struct {
		Jobs []relabel.Options `yaml:"federate_configs"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		b.Fatal(err)
	}
	options := relabel.DefaultOptions()
	options.MetricRelabelConfigs = config.Jobs[0].MetricRelabelConfigs
	if err := options.Validate(); err != nil {
		b.Fatal(err)
	}
	return relabel.NewMetric(options.MetricRelabelConfigs)
}

// cpu is the processor time of this process so far: other processes share the machine.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkFirstRound is the first round of a new federator: all but the network. It reports how many steady rounds it
// takes, and what a new series costs beyond one, in processor time; and how many a deploy takes, which replaces all workers.
func BenchmarkFirstRound(b *testing.B) {
	for _, c := range []struct{ workers, series int }{{1, 5000}, {16, 1000}, {16, 5000}, {64, 2000}} {
		b.Run(fmt.Sprintf("%dx%d", c.workers, c.series), func(b *testing.B) {
			pages, rules := firstPages(2*c.workers, c.series), benchRules(b)
			first, steady, deploy := time.Hour, time.Hour, time.Hour
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				p := &pagesOf{pages: pages[:c.workers]}
				in := benchInstance(b, p, rules)
				b.StartTimer()
				first = min(first, gather(b, in))
				b.StopTimer()
				for range 5 {
					steady = min(steady, gather(b, in))
				}
				p.pages, p.gone = pages, c.workers
				register(in.federator, c.workers, len(pages))
				deploy = min(deploy, gather(b, in))
				in.federator.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(first)/float64(steady), "rounds")
			b.ReportMetric(float64(deploy)/float64(steady), "rounds/deploy")
			b.ReportMetric(float64(first-steady)/float64(c.series), "ns/series")
		})
	}
}

// gather asks for a page, and gives what that took.
func gather(b *testing.B, in *Instance) time.Duration {
	b.Helper()
	begun := cpu(b)
	page, err := in.Gather(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if err := exposition.EncodeFilled(io.Discard, exposition.Negotiate("text/plain"), page.Families); err != nil {
		b.Fatal(err)
	}
	return cpu(b) - begun
}
