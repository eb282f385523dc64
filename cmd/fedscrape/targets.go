package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/fedscrape/fedscrape/config"
	"github.com/fedscrape/fedscrape/discovery"
)

const (
	modeWorkers   = "workers"
	modeInstances = "instances"
)

// targetsInterval is how often the federator is asked, and a file that could not be written is tried again.
const targetsInterval = 500 * time.Millisecond

func targetsCommand() *cli.Command {
	return &cli.Command{
		Name:  "targets",
		Usage: "write the workers or the merged endpoints as file_sd JSON, once or kept up to date",
		Description: `The labels are those of /sd/workers and /sd/instances. Without --federator.url the workers are found by the
discoveries of --config.file, so that no federator is needed; with it the federator is asked, for both modes. Nothing
is written before all discoveries have answered: an empty list would make Prometheus drop its targets.

   fedscrape targets --config.file=fedscrape.yml
   fedscrape targets --output=/etc/prometheus/targets/workers.json --watch
   fedscrape targets --mode=instances --federator.url=http://127.0.0.1:9390 --job=webapp

With --watch it runs until a signal comes, and replaces the file within a second of a change. The file is replaced as
a whole, has mode 0644, and is left alone where it would stay the same.`,
		Flags: append([]cli.Flag{
			configFlag(),
			&cli.StringFlag{Name: "mode", Value: modeWorkers, EnvVars: env("mode"), Usage: "`MODE`: workers, or instances, which needs --federator.url"},
			&cli.StringFlag{Name: "job", EnvVars: env("job"), Usage: "`NAME` of the only job to list, as the label job has it (default: all)"},
			&cli.StringFlag{Name: "output", TakesFile: true, EnvVars: env("output"), Usage: "`FILE` to replace (default: standard output)"},
			&cli.BoolFlag{Name: "watch", EnvVars: env("watch"), Usage: "keep the file up to date until a signal comes"},
			&cli.DurationFlag{Name: "timeout", Value: 30 * time.Second, EnvVars: env("timeout"), Usage: "`DURATION` to wait for all discoveries at most, without --watch"},
			federatorFlag("ask the federator at `URL`, which may hold USER:PASSWORD@", env("federator.url")),
		}, logFlags()...),
		Action: func(c *cli.Context) error {
			t, err := newTargets(c)
			if err != nil {
				return err
			}
			return t.run(c.Context)
		},
	}
}

// targets is one run of the targets command.
type targets struct {
	source  targetSource
	output  string
	watch   bool
	timeout time.Duration
	stdout  io.Writer
	logger  *slog.Logger

	logged string // the last trouble
}

// notYetError is that a list is not complete yet.
type notYetError struct{ error }

func (e notYetError) Unwrap() error { return e.error }

// targetSource lists target groups.
type targetSource interface {
	// run keeps the list until ctx ends.
	run(ctx context.Context) error
	// changed tells that there is something new, or that there may be.
	changed() <-chan struct{}
	// groups is the list. With an error it is not known now, and what was known before still holds.
	groups(ctx context.Context) ([]discovery.Group, error)
}

func newTargets(c *cli.Context) (*targets, error) {
	if err := noArguments(c); err != nil {
		return nil, err
	}
	logger, err := newLogger(c, c.App.ErrWriter)
	if err != nil {
		return nil, err
	}
	t := &targets{output: c.String("output"), watch: c.Bool("watch"), timeout: c.Duration("timeout"), stdout: c.App.Writer, logger: logger}
	mode := c.String("mode")
	switch {
	case mode != modeWorkers && mode != modeInstances:
		return nil, usagef("--mode: unknown mode %q (workers, instances)", mode)
	case mode == modeInstances && c.String("federator.url") == "":
		return nil, usagef("--federator.url is missing: --mode=instances asks the federator")
	case t.watch && t.output == "":
		return nil, usagef("--output is missing: --watch keeps a file up to date")
	case t.timeout <= 0:
		return nil, usagef("--timeout %v: want more than 0s", t.timeout)
	}
	t.source, err = newTargetSource(c, mode, logger)
	return t, err
}

func newTargetSource(c *cli.Context, mode string, logger *slog.Logger) (targetSource, error) {
	if c.String("federator.url") != "" {
		client, err := newFederatorClient(c.String("federator.url"))
		if err != nil {
			return nil, err
		}
		return &federatorTargets{client: client, mode: mode, job: c.String("job"), ticks: make(chan struct{}, 1)}, nil
	}
	cfg, err := config.Load(c.String("config.file"))
	if err != nil {
		return nil, err
	}
	for _, w := range cfg.Warnings {
		logger.Warn("Configuration", "warning", w)
	}
	return newDiscoveredTargets(cfg, c.String("job"), logger), nil
}

// run runs the source beside what reads it, and waits for both.
func (t *targets) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	source := make(chan error, 1)
	go func() { source <- t.source.run(ctx) }() // ends with ctx; awaited below
	read := t.once
	if t.watch {
		read = t.follow
	}
	err := read(ctx)
	stop()
	return errors.Join(err, <-source)
}

// once waits until the list is known, and writes it.
func (t *targets) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	for {
		groups, err := t.source.groups(ctx)
		if err == nil {
			return t.write(groups)
		}
		if _, wait := errors.AsType[notYetError](err); !wait && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return t.gaveUp(ctx, err)
		case <-t.source.changed():
		}
	}
}

func (t *targets) gaveUp(ctx context.Context, err error) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("interrupted; nothing is written: %w", err)
	}
	return fmt.Errorf("nothing is written after --timeout %v: %w", t.timeout, err)
}

// follow keeps the file until ctx ends. Trouble is logged once, and leaves the file as it is.
func (t *targets) follow(ctx context.Context) error {
	retry := time.NewTicker(targetsInterval)
	defer retry.Stop()
	for {
		var again <-chan time.Time
		groups, err := t.source.groups(ctx)
		if err == nil {
			if err = t.write(groups); err != nil {
				again = retry.C
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		t.log(err)
		select {
		case <-ctx.Done():
			return nil
		case <-t.source.changed():
		case <-again:
		}
	}
}

// log says once what keeps the file from being up to date, and once that it is.
func (t *targets) log(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	_, waiting := errors.AsType[notYetError](err)
	switch {
	case text == t.logged:
	case waiting:
		t.logger.Info("Targets are not all known yet; the file stays as it is", "output", t.output, "reason", err)
	case err != nil:
		t.logger.Error("Targets cannot be brought up to date; the file stays as it is", "output", t.output, "err", err)
	default:
		t.logger.Info("Targets are up to date", "output", t.output)
	}
	t.logged = text
}

func (t *targets) write(groups []discovery.Group) error {
	text, err := encodeGroups(groups)
	if err != nil {
		return err
	}
	if t.output != "" {
		return replaceFile(t.output, text)
	}
	_, err = t.stdout.Write(text)
	return err
}
