package discovery

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkRegistrationVisible tells how long after Consul's answer to a registration the federator knows of it, with
// the shipped pace. Run it with -benchtime=200x.
func BenchmarkRegistrationVisible(b *testing.B) {
	for _, mode := range []string{"", ", local: true"} {
		b.Run("registry"+mode, func(b *testing.B) { visible(b, embedded(b), mode) })
		b.Run("Consul"+mode, func(b *testing.B) { visible(b, agent{addr: realConsul(b)}, mode) })
	}
}

func visible(b *testing.B, a agent, mode string) {
	b.Helper()
	seen := make(chan int, 1000)
	m := NewManager([]Job{job(b, "webapp", a.sd(", services: [webapp]"+mode))}, nil, nil, func(u Update) {
		if u.Answered {
			seen <- len(u.Workers)
		}
	})
	ctx, cancel := context.WithCancel(b.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = m.Run(ctx) })
	defer func() { cancel(); run.Wait() }()
	<-seen
	var took []time.Duration
	b.ResetTimer()
	for i := range b.N {
		a.register(b, fmt.Sprint("w", i), 1024+i)
		answered := time.Now()
		for n := 0; n < i+1; {
			select {
			case n = <-seen:
			case <-time.After(deadline):
				b.Fatalf("worker %d is not seen", i)
			}
		}
		took = append(took, time.Since(answered))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkFirstUpdateOf10000 tells how long a federator takes to know a job of 10,000 workers, and what it allocates.
func BenchmarkFirstUpdateOf10000(b *testing.B) {
	consul := newFakeConsul(b)
	for i := range 10_000 {
		consul.register("webapp", "web1", "10.0.0.5", 1024+i)
	}
	j := job(b, "webapp", consul.sd(", services: [webapp]")+"\ntarget_limit: 20000")
	b.ReportAllocs()
	for b.Loop() {
		whole := make(chan struct{}, 10)
		m := NewManager([]Job{j}, nil, nil, func(u Update) {
			if u.Answered && len(u.Workers) == 10_000 {
				whole <- struct{}{}
			}
		})
		ctx, cancel := context.WithCancel(b.Context())
		var run sync.WaitGroup
		run.Go(func() { _ = m.Run(ctx) })
		select {
		case <-whole:
		case <-time.After(deadline):
			b.Error("no whole list")
		}
		cancel()
		run.Wait()
	}
}
