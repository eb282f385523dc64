package e2e

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// life is what one worker of testdata/chaos.py wrote down.
type life struct {
	name     string
	requests map[string]int // by path
	total    int
	pages    []renderedPage // before its final snapshot
	final    string         // "" where there was none, "taken", or why it was refused
}

// renderedPage is a page that began to be rendered when so many requests were written down.
type renderedPage struct {
	at       time.Time
	requests int
}

func readLives(t *testing.T, dir string) []*life {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	lives := make([]*life, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		l := &life{name: filepath.Base(file), requests: map[string]int{}}
		for line := range strings.Lines(string(text)) {
			l.read(t, strings.TrimSpace(line))
		}
		lives = append(lives, l)
	}
	return lives
}

func (l *life) read(t *testing.T, line string) {
	t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "request":
		l.requests[rest]++
		l.total++
	case "page":
		seconds, err := strconv.ParseFloat(rest, 64)
		if err != nil {
			t.Fatal(err)
		}
		if l.final == "" {
			l.pages = append(l.pages, renderedPage{time.UnixMicro(int64(seconds * 1e6)), l.total})
		}
	case "final":
		l.final = "handed in, and killed"
	case "taken":
		l.final = word
	case "refused":
		l.final = rest
	default:
		t.Fatalf("%s: %q", l.name, line)
	}
}

// surelyKept is how many requests are on a page that the federator showed, and therefore has in its ledger. A page is
// shown, at the latest, by the round that asks the worker next, and that one has ended when the worker is asked once
// more; a page rendered for a federator that is dead already is followed by one more. All of it without a kill between.
func (l *life) surelyKept(kills []span) int {
	for i := len(l.pages) - 4; i >= 0; i-- {
		if !killedBetween(kills, l.pages[i].at, l.pages[i+3].at) {
			return max(0, l.pages[i].requests-1) // one may have been written down and not counted yet
		}
	}
	return 0
}

func killedBetween(kills []span, from, to time.Time) bool {
	return slices.ContainsFunc(kills, func(k span) bool { return !k.to.Before(from) && !k.from.After(to) })
}

// mayLose is how many requests of a life may be missing: none where it lives or said goodbye.
func (l *life) mayLose(kills []span, alive bool) int {
	if alive || l.final == "taken" {
		return 0
	}
	return l.total - l.surelyKept(kills)
}

// verdict is the truth against what the merged page says.
type verdict struct {
	requests, lost, allowed, taken, killed int
	wrong                                  []string
	losses                                 []string // of lives that may have lost something
}

// judge holds each life against its own series, and all of them against the application's counter and histogram.
func judge(page string, lives []*life, kills []span, alive func(*life) bool) *verdict {
	v := &verdict{}
	paths := map[string]int{}
	for _, l := range lives {
		allowed := l.mayLose(kills, alive(l))
		merged := int(zeroIfNone(value(page, fmt.Sprintf(`life_requests_total{life=%q}`, l.name))))
		if lost := l.total - merged; lost < 0 || lost > allowed {
			v.wrongf("life %s (alive: %v, final: %s): %d of %d requests are merged, %d may be missing", l.name, alive(l), l.final, merged, l.total, allowed)
		}
		if allowed > 0 || l.total > merged {
			v.losses = append(v.losses, fmt.Sprintf("%s: %d of %d requests missing, %d may be, %d pages, final: %q", l.name, l.total-merged, l.total, allowed, len(l.pages), l.final))
		}
		v.requests, v.lost, v.allowed = v.requests+l.total, v.lost+l.total-merged, v.allowed+allowed
		switch {
		case l.final == "taken":
			v.taken++
		case !alive(l):
			v.killed++
		}
		for path, n := range l.requests {
			paths[path] += n
		}
	}
	v.judgePaths(page, paths)
	return v
}

// judgePaths holds what the workers counted together. Where a worker is killed between two counters they differ by one.
func (v *verdict) judgePaths(page string, paths map[string]int) {
	for _, format := range []string{
		`request_count_total{app_name="webapp",endpoint=%q,http_status="200",method="GET"}`,
		`request_latency_seconds_count{app_name="webapp",endpoint=%q}`,
		`request_latency_seconds_bucket{app_name="webapp",endpoint=%q,le="+Inf"}`,
	} {
		missing := 0
		for path, n := range paths {
			series := fmt.Sprintf(format, path)
			lost := n - int(zeroIfNone(value(page, series)))
			if lost < 0 {
				v.wrongf("%s: %d more than the workers counted, %d", series, -lost, n)
			}
			missing += lost
		}
		if missing < v.lost-v.killed || missing > v.lost+v.killed {
			v.wrongf("%s: %d missing, of the lives' own counters %d", format, missing, v.lost)
		}
	}
}

func (v *verdict) wrongf(format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
}

func zeroIfNone(f float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return f
}
