package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/fedscrape/fedscrape/config"
	"github.com/fedscrape/fedscrape/discovery"
	"github.com/fedscrape/fedscrape/discovery/publish"
	"github.com/fedscrape/fedscrape/federator"
	"github.com/fedscrape/fedscrape/web"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "run the federator: discover workers, scrape and merge them, serve one endpoint per instance",
		Description: `A first configuration, fedscrape.yml:

   federate_configs:
     - job_name: webapp
       consul_sd_configs:
         - server: 127.0.0.1:8500
           services: [webapp]

Then give Prometheus http_sd_configs with the URL http://HOST:9390/sd/instances. Without a Consul, add
--registry.listen-address. SIGHUP reads the configuration anew.

   fedscrape serve --config.file=fedscrape.yml
   fedscrape serve --config.file=fedscrape.yml --registry.listen-address=127.0.0.1:8500 --ledger.path=/var/lib/fedscrape`,
		Flags: append([]cli.Flag{
			configFlag(),
			&cli.StringSliceFlag{Name: "web.listen-address", Value: cli.NewStringSlice(":9390"), EnvVars: env("web.listen-address"), Usage: "`ADDRESS` of the web endpoints; repeatable"},
			webConfigFlag(),
			&cli.StringFlag{Name: "web.external-url", EnvVars: env("web.external-url"), Usage: "`URL` under which others reach the federator; its path is put before all endpoints"},
			&cli.BoolFlag{Name: "web.enable-lifecycle", EnvVars: env("web.enable-lifecycle"), Usage: "allow POST /-/reload"},
			&cli.StringFlag{Name: "registry.listen-address", EnvVars: env("registry.listen-address"), Usage: "`ADDRESS` to serve, in-process, the part of the Consul agent's HTTP API that workers need; none: use a real Consul"},
			&cli.StringFlag{Name: "ledger.path", Value: "./fedscrape-data", EnvVars: env("ledger.path"), Usage: "`DIRECTORY` of the ledger, of one federator each; empty: in memory, and a restart resets merged counters"},
		}, logFlags()...),
		Action: serve,
	}
}

func serve(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	logger, err := newLogger(c, c.App.ErrWriter)
	if err != nil {
		return err
	}
	external, err := externalURL(c.String("web.external-url"))
	if err != nil {
		return err
	}
	file := c.String("config.file")
	s := &service{
		logger: logger, load: func() (*config.Config, error) { return config.Load(file) },
		listen: c.StringSlice("web.listen-address"), webConfig: c.String("web.config.file"), external: external,
		lifecycle: c.Bool("web.enable-lifecycle"), registry: c.String("registry.listen-address"),
		ledgerPath: c.String("ledger.path"), firstRound: collectGarbage(),
	}
	return s.run(c.Context)
}

func externalURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no external URL is no error
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("--web.external-url %q: want http(s)://HOST[:PORT][/PATH]", s)
	}
	return u, nil
}

// service is the federator with all its parts.
type service struct {
	logger    *slog.Logger
	load      func() (*config.Config, error)
	listen    []string
	webConfig string
	external  *url.URL
	lifecycle bool
	registry  string // address; none where empty
	// ledgerPath is a directory; in memory where empty.
	ledgerPath string
	// opened is called once the ports are open; nil is nothing.
	opened func(webAddress string)
	// firstRound is called when a first round has ended; nil is nothing.
	firstRound func()

	metrics   *prometheus.Registry
	federator *federator.Federator
	manager   *discovery.Manager
	publisher *publish.Publisher
	web       *web.Server
	reloads   reloads
}

// run builds all parts, runs them until the context ends or one fails, and waits for all.
func (s *service) run(ctx context.Context) (err error) {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	s.metrics = prometheus.NewRegistry()
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		versioncollector.NewCollector("fedscrape"))
	s.reloads.register(s.metrics)
	registry, err := openRegistry(s.registry, s.logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.close()) }()
	kept, err := openLedger(s.ledgerPath, s.logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }() // after the federator
	s.federator = federator.New(federator.Options{Logger: s.logger, Registerer: s.metrics, Lookup: s.lookUp, Ledger: kept, FirstRound: s.firstRound})
	defer s.federator.Close()
	s.manager = discovery.NewManager(nil, s.logger, s.metrics, s.federator.Update)
	s.publisher = s.newPublisher()
	if err := s.apply(cfg); err != nil {
		return err
	}
	if err := s.openWeb(); err != nil {
		return err
	}
	return s.runParts(ctx, registry)
}

func (s *service) lookUp(ctx context.Context, job, serviceID string) ([]discovery.Worker, error) {
	return s.manager.Lookup(ctx, job, serviceID)
}

func (s *service) openWeb() (err error) {
	s.web, err = web.New(web.Options{
		Logger: s.logger, Federator: s.federator, Gatherer: s.metrics, ListenAddresses: s.listen, ConfigFile: s.webConfig,
		ExternalURL: s.external, EnableLifecycle: s.lifecycle, Reload: s.reload,
	})
	if err != nil {
		return err
	}
	if err := s.web.Listen(); err != nil {
		return err
	}
	if s.opened != nil {
		s.opened(s.web.Addrs()[0].String())
	}
	return nil
}

// runParts runs what runs beside each other.
func (s *service) runParts(ctx context.Context, registry *registryServer) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.manager.Run(ctx) })
	group.Go(func() error { return s.federator.Run(ctx) })
	group.Go(func() error { return s.publisher.Run(ctx) })
	group.Go(func() error { return s.web.Serve(ctx) })
	group.Go(func() error { return registry.wait(ctx) })
	group.Go(func() error { return s.reloadOnHangup(ctx) })
	return group.Wait()
}

// apply makes a configuration the running one.
func (s *service) apply(cfg *config.Config) error {
	jobs, err := federatorJobs(cfg)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		s.logger.Warn("Configuration", "warning", w)
	}
	s.federator.Apply(jobs)
	s.manager.Apply(discoveryJobs(cfg))
	s.publisher.Apply(cfg.Publish)
	return nil
}

// reload reads the configuration anew. With an error the running one stays.
func (s *service) reload() (err error) {
	s.reloads.mu.Lock()
	defer s.reloads.mu.Unlock()
	defer func() { s.reloads.done(err) }()
	cfg, err := s.load()
	if err == nil {
		err = s.apply(cfg)
	}
	if err != nil {
		s.logger.Error("Reload has an error; the running configuration stays", "err", err)
		return fmt.Errorf("reload the configuration: %w", err)
	}
	s.logger.Info("Configuration is reloaded")
	return nil
}

func (s *service) reloadOnHangup(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			_ = s.reload() // logged and counted there
		}
	}
}
