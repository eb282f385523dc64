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

var scaleHead = []string{
	"", "floor", "its first round", "steady round", "CPU, a sample", "peak RSS", "first round", "page at once", "a second later",
	"page after a deploy, at once", "a second later", "page after that",
}

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
	first, rounds, p, err := b.firstPages(ctx, f, c.instances)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	steady, err := ask(ctx, p, c.instances)
	if err != nil {
		return nil, err
	}
	deploy, err := b.deploys(ctx, &f, p, c)
	if err != nil {
		return nil, err
	}
	times := func(all []float64) string {
		return fmt.Sprintf("%s ms, %sx", number(mid(all)), number(mid(all)/steady.Med))
	}
	firstRound := times(rounds)
	if c.instances > 1 { // it is that of one of them
		firstRound = number(mid(rounds)) + " ms"
	}
	return []string{
		c.String(), number(floor.Med) + " ms", number(floorFirst) + " ms", fmt.Sprintf("%s ms, %sx", number(steady.Med), number(steady.Med/floor.Med)),
		fmt.Sprintf("%s ms, %.0f ns", number(steady.CPU), steady.CPU*1e6/float64(f.Samples)), fmt.Sprintf("%.0f MB", steady.RSS),
		firstRound, times(first.atOnce), times(first.later), times(deploy.atOnce), times(deploy.later), times(deploy.after),
	}, nil
}

// news are the milliseconds that pages take after something new: asked for as soon as it is known, a second later, and after that.
type news struct{ atOnce, later, after []float64 }

// turn gives the times that the next one is to be added to, at once and later in turn, when its time has come.
func (n *news) turn(ctx context.Context) *[]float64 {
	if len(n.later) == len(n.atOnce) {
		return &n.atOnce
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	return &n.later
}

// see takes the time of a page, and of the one after it.
func (n *news) see(ctx context.Context, p *peer, instances int, times *[]float64) error {
	for _, times := range []*[]float64{times, &n.after} {
		t, err := p.round(ctx, instances)
		if err != nil {
			return err
		}
		*times = append(*times, t)
	}
	return nil
}

// more tells whether to see one more of each.
func (n *news) more(began time.Time) bool {
	return len(n.later) < len(n.atOnce) || more(n.later, began)
}

// firstPages times the first pages of new federators, and their first rounds, which nobody has asked for: those of an instance, on
// average. It keeps the last federator.
func (b *bench) firstPages(ctx context.Context, f *fleet, instances int) (n news, rounds []float64, p *peer, err error) {
	for began := time.Now(); n.more(began); {
		if p != nil {
			p.stop()
		}
		if p, err = b.startProduct(ctx, f, instances, product); err != nil {
			return n, nil, nil, err
		}
		times := n.turn(ctx)
		if times == &n.later {
			var took float64
			took, err = p.roundTook(ctx)
			rounds = append(rounds, took)
		}
		if err := errors.Join(err, n.see(ctx, p, instances, times)); err != nil {
			p.stop()
			return n, nil, nil, err
		}
	}
	return n, rounds, p, nil
}

// deploys times pages after all workers were replaced by others.
func (b *bench) deploys(ctx context.Context, f **fleet, p *peer, c config) (n news, err error) {
	stop, err := b.record(ctx, p, "deploy")
	if err != nil {
		return n, err
	}
	defer stop()
	for seed, began := 2, time.Now(); n.more(began); seed++ {
		next, err := b.startFleet(ctx, c, growing, seed)
		if err != nil {
			return n, err
		}
		(*f).stop()
		*f = next
		if err := errors.Join(next.writeTargets(p.dir, c.instances), p.await(ctx, next)); err != nil {
			return n, err
		}
		if err := n.see(ctx, p, c.instances, n.turn(ctx)); err != nil {
			return n, err
		}
	}
	return n, nil
}

// atOnce is how many pages are asked for at once.
const atOnce = 16

// more tells whether to see one more: three, one where they take long.
func more(times []float64, began time.Time) bool {
	return len(times) == 0 || len(times) < 3 && time.Since(began) < 5*time.Second
}

// floorOf gives what merely fetching the pages takes, and in milliseconds the first time, when connections are opened.
func (b *bench) floorOf(ctx context.Context, f *fleet) (steady figures, first float64, err error) {
	var firsts []float64
	var p *peer
	for began := time.Now(); more(firsts, began); {
		if p != nil {
			p.stop()
		}
		if p, err = b.startNaive(ctx, "floor-raw", f); err != nil {
			return figures{}, 0, err
		}
		t, err := p.round(ctx, 1)
		if err != nil {
			p.stop()
			return figures{}, 0, err
		}
		firsts = append(firsts, t)
	}
	defer p.stop()
	steady, err = ask(ctx, p, 1)
	return steady, mid(firsts), err
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
