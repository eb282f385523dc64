package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

var scaleHead = []string{"", "floor", "its first round", "steady round", "CPU, a sample", "peak RSS", "first round", "deploy", "round after"}

func (b *bench) scaleTable(ctx context.Context, configs []config) (string, error) {
	table := [][]string{scaleHead}
	for _, c := range configs {
		r, err := b.scaleRow(ctx, c)
		if err != nil {
			return "", fmt.Errorf("%s: %w", c, err)
		}
		table = append(table, r)
		fmt.Fprintln(os.Stderr, r)
	}
	return markdown(table), nil
}

func (b *bench) scaleRow(ctx context.Context, c config) ([]string, error) {
	f, err := b.startFleet(ctx, c, growing, 1)
	if err != nil {
		return nil, err
	}
	defer func() { f.stop() }()
	if err := b.quiet(ctx); err != nil {
		return nil, err
	}
	floor, floorFirst, err := b.floorOf(ctx, f)
	if err != nil {
		return nil, err
	}
	firsts, p, err := b.firstRounds(ctx, c.instances, "first", func() (*peer, error) { return b.startProduct(ctx, f, c.instances, product) })
	if err != nil {
		return nil, err
	}
	defer p.stop()
	steady, err := ask(ctx, p, c.instances)
	if err != nil {
		return nil, err
	}
	stop, err := b.record(ctx, p, "deploy")
	if err != nil {
		return nil, err
	}
	defer stop()
	var deploys, after []float64
	for seed, began := 2, time.Now(); more(deploys, began); seed++ {
		next, err := b.startFleet(ctx, c, growing, seed)
		if err != nil {
			return nil, err
		}
		f.stop()
		f = next
		if err := errors.Join(f.writeTargets(p.dir, c.instances), p.await(ctx, f)); err != nil {
			return nil, err
		}
		for _, times := range []*[]float64{&deploys, &after} {
			t, err := p.round(ctx, c.instances)
			if err != nil {
				return nil, err
			}
			*times = append(*times, t)
		}
	}
	times := func(all []float64) string {
		return fmt.Sprintf("%s ms, %sx", number(mid(all)), number(mid(all)/steady.Med))
	}
	opened := func(all []float64) string { return fmt.Sprintf("%s (%s)", times(all), number(mid(all)/floorFirst)) }
	return []string{
		c.String(), number(floor.Med) + " ms", number(floorFirst) + " ms", fmt.Sprintf("%s ms, %sx", number(steady.Med), number(steady.Med/floor.Med)),
		fmt.Sprintf("%s ms, %.0f ns", number(steady.CPU), steady.CPU*1e6/float64(f.Samples)), fmt.Sprintf("%.0f MB", steady.RSS),
		opened(firsts), opened(deploys), times(after),
	}, nil
}

// atOnce is how many pages are asked for at once.
const atOnce = 16

// more tells whether to see one more first round or deploy: three, one where they take long.
func more(times []float64, began time.Time) bool {
	return len(times) == 0 || len(times) < 3 && time.Since(began) < 5*time.Second
}

// floorOf gives what merely fetching the pages takes, and in milliseconds the first time, when connections are opened.
func (b *bench) floorOf(ctx context.Context, f *fleet) (steady figures, first float64, err error) {
	firsts, p, err := b.firstRounds(ctx, 1, "", func() (*peer, error) { return b.startNaive(ctx, "floor-raw", f) })
	if err != nil {
		return figures{}, 0, err
	}
	defer p.stop()
	steady, err = ask(ctx, p, 1)
	return steady, mid(firsts), err
}

// mostFirsts is how many new peers are tried for first rounds that no sweep has made sooner.
const mostFirsts = 20

// firstRounds times the first round of new peers and keeps the last of them. It records them by the name, if there is one.
func (b *bench) firstRounds(ctx context.Context, instances int, name string, start func() (*peer, error)) (times []float64, p *peer, err error) {
	for began, tries := time.Now(), 0; more(times, began); tries++ {
		if p != nil {
			p.stop()
		}
		if tries == mostFirsts {
			return nil, nil, fmt.Errorf("a sweep was sooner than the first request, %d times", tries-len(times))
		}
		if p, err = start(); err != nil {
			return nil, nil, err
		}
		t, err := b.firstRound(ctx, p, instances, name)
		swept, sweptErr := p.swept(ctx)
		if err := errors.Join(err, sweptErr); err != nil {
			p.stop()
			return nil, nil, err
		}
		if !swept || instances > 1 { // of many instances some are swept, always
			times = append(times, t)
		}
	}
	return times, p, nil
}

func (b *bench) firstRound(ctx context.Context, p *peer, instances int, name string) (float64, error) {
	if name != "" {
		stop, err := b.record(ctx, p, name)
		if err != nil {
			return 0, err
		}
		defer stop()
	}
	return p.round(ctx, instances)
}

// round asks for the page of each instance, some at once, and gives the milliseconds that all took.
func (p *peer) round(ctx context.Context, instances int) (float64, error) {
	start := time.Now()
	next, errs := make(chan string), make([]error, min(instances, atOnce))
	var askers sync.WaitGroup
	for i := range errs {
		askers.Go(func() {
			for url := range next {
				_, err := fetch(ctx, url)
				errs[i] = cmp.Or(errs[i], err)
			}
		})
	}
	for i := range instances {
		url := p.url
		if instances > 1 {
			url = p.merged(i)
		}
		next <- url
	}
	close(next)
	askers.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, fmt.Errorf("%w: %s", err, p.tail())
	}
	return time.Since(start).Seconds() * 1e3, nil
}

// ask measures steady rounds.
func ask(ctx context.Context, p *peer, instances int) (m figures, err error) {
	var times []float64
	var before float64
	for start := time.Now(); len(times) < 8 || time.Since(start) < time.Second; {
		if len(times) == 3 { // the first have warmed it up
			before = cpuSeconds(p.pid())
		}
		t, err := p.round(ctx, instances)
		if err != nil {
			return m, err
		}
		times = append(times, t)
	}
	m.CPU = (cpuSeconds(p.pid()) - before) * 1e3 / float64(len(times)-3)
	m.Med = mid(times[3:])
	var kB float64
	_, err = fmt.Sscanf(field("/proc/"+strconv.Itoa(p.pid())+"/status", "VmHWM"), "%f", &kB)
	m.RSS = kB / 1024
	return m, err
}

func mid(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
