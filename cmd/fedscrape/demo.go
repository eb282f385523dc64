package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/fedscrape/fedscrape/config"
)

// demoKillInterval is how often the demo kills a worker, without any warning to it.
const demoKillInterval = 10 * time.Second

// demoGoodbye is how long workers have to say goodbye when the demo ends.
const demoGoodbye = 2 * time.Second

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "show it all on one machine: registry, worker processes and federator, a worker killed every 10s",
		Description: `It prints what to open. SIGINT or SIGTERM ends all within 5s.

   fedscrape demo --workers=8`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "web.listen-address", Value: "127.0.0.1:9390", EnvVars: env("web.listen-address"), Usage: "`ADDRESS` of the federator"},
			&cli.StringFlag{Name: "registry.listen-address", Value: "127.0.0.1:0", EnvVars: env("registry.listen-address"), Usage: "`ADDRESS` of the embedded registry; port 0 picks one"},
			&cli.IntFlag{Name: "workers", Value: 4, EnvVars: env("workers"), Usage: "`NUMBER` of worker processes"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			if n := c.Int("workers"); n < 1 || n > 256 {
				return usagef("--workers %d: want 1 to 256", n)
			}
			d := &demo{
				web: c.String("web.listen-address"), registryAddress: c.String("registry.listen-address"),
				workers: c.Int("workers"), stdout: c.App.Writer, stderr: c.App.ErrWriter,
				kill: demoKillInterval, opened: make(chan string, 1),
			}
			return d.run(c.Context)
		},
	}
}

// demo is registry, workers and federator in one process tree.
type demo struct {
	web, registryAddress string
	workers              int
	stdout, stderr       io.Writer
	kill                 time.Duration
	opened               chan string // the federator's address, once it listens

	registry *registryServer
}

// run ends in the order in which a person would: workers first, who say goodbye, then who listens to them.
func (d *demo) run(ctx context.Context) (err error) {
	level := promslog.NewLevel()
	_ = level.Set("warn")
	logger := promslog.New(&promslog.Config{Level: level, Writer: d.stderr})
	if d.registry, err = openRegistry(d.registryAddress, logger); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.registry.close()) }()
	parts, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, parts := errgroup.WithContext(parts)
	group.Go(func() error { return d.registry.wait(parts) })
	group.Go(func() error { return d.serve(parts, logger) })
	group.Go(func() error {
		defer stop()
		select {
		case address := <-d.opened:
			return d.runWorkers(ctx, parts, "http://"+address)
		case <-parts.Done():
		case <-ctx.Done():
		}
		return nil
	})
	return group.Wait()
}

// serve runs the federator as `fedscrape serve` does.
func (d *demo) serve(ctx context.Context, logger *slog.Logger) (err error) {
	dir, err := os.MkdirTemp("", "fedscrape-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo's ledger: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &service{
		logger: logger, load: d.config, listen: []string{d.web}, ledgerPath: dir,
		opened: func(address string) { d.opened <- address },
	}
	return s.run(ctx)
}

func (d *demo) config() (*config.Config, error) {
	return config.Parse("demo.yml", fmt.Appendf(nil, `
federate_configs:
  - job_name: demo
    consul_sd_configs:
      - server: %s
        services: [demo]
    sweep_interval: 2s # nobody may be asking: what a worker counts is not to be lost with it
`, d.registry.address()))
}

// runWorkers keeps the worker processes, and kills and replaces one of them at each interval, until ctx ends, or parts
// because the federator failed.
func (d *demo) runWorkers(ctx, parts context.Context, federator string) error {
	slots := make([]*demoWorker, d.workers)
	defer func() {
		for _, w := range slots {
			w.sayGoodbye()
		}
		deadline := time.Now().Add(demoGoodbye)
		for _, w := range slots {
			w.end(time.Until(deadline))
		}
	}()
	for i := range slots {
		w, err := d.startWorker(federator)
		if err != nil {
			return err
		}
		slots[i] = w
	}
	d.explain(federator)
	ticker := time.NewTicker(d.kill)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-parts.Done():
			return nil
		case <-ticker.C:
		}
		if err := d.replace(slots, federator); err != nil {
			return err
		}
	}
}

// replace kills one of the workers as an out-of-memory kill would, and starts another.
func (d *demo) replace(slots []*demoWorker, federator string) error {
	i := rand.IntN(len(slots))
	pid := slots[i].cmd.Process.Pid
	slots[i].end(0)
	w, err := d.startWorker(federator)
	slots[i] = w
	if err != nil {
		return err
	}
	fmt.Fprintf(d.stdout, "killed worker process %d (kill -9), started %d: the merged counters go on, without what it counted since it was asked last\n", pid, w.cmd.Process.Pid)
	return nil
}

// demoWorker is a worker process, and the pipe whose end is its own.
type demoWorker struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

// startWorker starts this program again as a worker. It ends when the pipe to it does, so it never outlives the demo.
func (d *demo) startWorker(federator string) (*demoWorker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program for the demo's workers: %w", err)
	}
	w := exec.Command(self, demoWorkerName) //nolint:noctx // ended by end, which waits for it
	w.Env = append(os.Environ(), "CONSUL_HTTP_ADDR="+d.registry.address(), "FEDSCRAPE_URL="+federator, "FEDSCRAPE_DISABLE=")
	w.Stderr = d.stderr
	pipe, err := w.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start a demo worker: %w", err)
	}
	if err := w.Start(); err != nil {
		return nil, fmt.Errorf("start a demo worker: %w", err)
	}
	return &demoWorker{w, pipe}, nil
}

// sayGoodbye lets the worker end in good order.
func (w *demoWorker) sayGoodbye() {
	if w != nil {
		_ = w.pipe.Close()
	}
}

// end kills the worker process after a while, and waits for it.
func (w *demoWorker) end(after time.Duration) {
	if w != nil {
		timer := time.AfterFunc(after, func() { _ = w.cmd.Process.Kill() })
		defer timer.Stop()
		_ = w.cmd.Wait()
	}
}

// explain says what to look at.
func (d *demo) explain(url string) {
	fmt.Fprintf(d.stdout, `fedscrape demo: %d worker processes of one instance, one is killed and replaced every %s. Ctrl-C ends all.

  what a person sees    %s/
  the merged endpoint   %s/merged?job=demo&instance=demo-app
  a counter of all      curl -s '%s/merged?job=demo&instance=demo-app' | grep ^demo_requests_total
  for each worker       %s/sd/workers

For Prometheus:

  scrape_configs:
    - job_name: fedscrape
      http_sd_configs:
        - url: %s/sd/instances

`, d.workers, d.kill, url, url, url, url, url)
}
