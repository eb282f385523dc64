package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/fedscrape/fedscrape/scraper"
	"github.com/fedscrape/fedscrape/worker"
)

// lastPageInterval is how often the endpoint of a command is read: it dies with the command, so its last page is one
// that was read before.
const lastPageInterval = time.Second

func registerCommand() *cli.Command {
	return &cli.Command{
		Name:      "register",
		Usage:     "register a worker that cannot do it itself",
		ArgsUsage: "[-- COMMAND [ARG]...]",
		Description: `Without a command it registers the endpoint on --port and keeps it registered until a signal comes:

   fedscrape register --job=webapp --port=9100

With a command it runs that, registers its endpoint, hands in its last page, deregisters, and ends with its exit code,
128+n where signal n ended it. --port=0 picks a port and tells the command as PORT and FEDSCRAPE_PORT:

   fedscrape register --job=webapp --federator.url=http://127.0.0.1:9390 -- ./server --metrics-from-environment

INT, TERM, HUP, QUIT, USR1 and USR2 are passed on to the command, each one, and nothing else: a command that ignores a
signal runs on, registered, until it ends or is killed. (Ctrl-C in a terminal reaches the command directly as well.)
Without an agent the command runs unregistered until there is one; where register itself is killed, the command runs
on and the agent removes the registration once no heartbeat has come for --ttl and a minute.

Consul's own variables (CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_HTTP_SSL, CONSUL_CACERT) are read.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "job", EnvVars: env("job"), Usage: "`NAME` of the service"},
			&cli.StringFlag{Name: "instance", EnvVars: env("instance"), Usage: "`NAME` of the application instance (default: the host's name)"},
			&cli.IntFlag{Name: "port", EnvVars: env("port"), Usage: "`PORT` of the metrics endpoint; 0 with a command: pick one"},
			&cli.StringFlag{Name: "address", EnvVars: env("address"), Usage: "`HOST` of the endpoint (default: the local address of the route to the agent)"},
			&cli.StringFlag{Name: "worker-id", EnvVars: env("worker-id"), Usage: "stable `NAME` of the worker (default: the lowest free number)"},
			&cli.StringFlag{Name: "metrics-path", Value: "/metrics", EnvVars: env("metrics-path"), Usage: "`PATH` of the endpoint"},
			&cli.StringFlag{Name: "scheme", Value: "http", EnvVars: env("scheme"), Usage: "`SCHEME` of the endpoint: http or https"},
			&cli.DurationFlag{Name: "ttl", Value: 15 * time.Second, EnvVars: env("ttl"), Usage: "`TTL` of the check; a heartbeat goes out each third of it"},
			&cli.StringFlag{Name: "consul.server", EnvVars: env("consul.server", "CONSUL_HTTP_ADDR"), Usage: "`ADDRESS` of the agent (default: 127.0.0.1:8500)"},
			&cli.StringFlag{Name: "federator.url", EnvVars: env("federator.url", "FEDSCRAPE_URL"), Usage: "`URL` of the federator, for the final snapshot; none: no final snapshot"},
		}, logFlags()...),
		Action: func(c *cli.Context) error {
			r, err := newRegistrar(c)
			if err != nil {
				return err
			}
			if len(r.command) == 0 {
				return r.stay(c.Context)
			}
			return r.run()
		},
	}
}

// registrar is one run of the register command.
type registrar struct {
	options worker.Options
	command []string
	logger  *slog.Logger
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer

	cmd    *exec.Cmd
	client *scraper.Client
	worker *worker.Worker
	// page is the last good one of the command's endpoint, and its content type; unread, why there is none.
	page        []byte
	contentType string
	unread      error
}

func newRegistrar(c *cli.Context) (*registrar, error) {
	logger, err := newLogger(c, c.App.ErrWriter)
	if err != nil {
		return nil, err
	}
	r := &registrar{
		options: worker.Options{
			Job: c.String("job"), Instance: c.String("instance"), WorkerID: c.String("worker-id"), Address: c.String("address"),
			Port: c.Int("port"), MetricsPath: "/" + strings.TrimPrefix(c.String("metrics-path"), "/"), Scheme: c.String("scheme"), TTL: c.Duration("ttl"),
			Consul: c.String("consul.server"), FederatorURL: c.String("federator.url"), Logger: logger,
		},
		command: c.Args().Slice(), logger: logger, stdin: os.Stdin, stdout: c.App.Writer, stderr: c.App.ErrWriter,
	}
	switch {
	case r.options.Job == "":
		return nil, usagef("--job is missing")
	case r.options.Port < 0 || r.options.Port > 65535:
		return nil, usagef("--port %d: want 1 to 65535", r.options.Port)
	case r.options.Port == 0 && len(r.command) == 0:
		return nil, usagef("--port is missing; only with a command can 0 pick one")
	case r.options.TTL <= 0:
		return nil, usagef("--ttl %s: want more than 0s", r.options.TTL)
	}
	checked := r.options
	checked.Port = cmp.Or(checked.Port, 1) // 0 will be another
	if err := checked.Validate(); err != nil {
		return nil, usageError{err}
	}
	return r, nil
}

// stay keeps an endpoint registered until the context ends. It may be anybody's: nothing is handed in for it.
func (r *registrar) stay(ctx context.Context) error {
	w, err := worker.Register(context.WithoutCancel(ctx), r.options) // takes a second at most; a signal meanwhile is no error
	if err != nil {
		return err
	}
	if w.ServiceID() == "" {
		r.logger.Warn("Worker is not registered: FEDSCRAPE_DISABLE is set")
	} else {
		r.say(w, "Registration is kept up until a signal comes")
	}
	<-ctx.Done()
	return w.Close()
}

// run is the life of the command: its exit code is ours.
func (r *registrar) run() (err error) {
	if err := r.pickPort(); err != nil {
		return err
	}
	options := scraper.NewOptions()
	if r.client, err = scraper.NewClient(options); err != nil {
		return err
	}
	r.unread = errors.New("it ended within a second")
	defer r.client.Close()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	if err := r.start(); err != nil {
		return err
	}
	r.register() // before Wait: the kernel tells the start time of a command that has ended only until then
	ended := make(chan error, 1)
	go func() { ended <- r.cmd.Wait() }() // ends with the command, which this waits for
	r.follow(signals, ended)
	return r.exitCode()
}

func (r *registrar) pickPort() error {
	if r.options.Port != 0 {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(r.options.Address, "0")) //nolint:noctx // returns at once
	if err != nil {
		return fmt.Errorf("pick a port for the command: %w", err)
	}
	r.options.Port = l.Addr().(*net.TCPAddr).Port
	return l.Close()
}

func (r *registrar) start() error {
	port := strconv.Itoa(r.options.Port)
	r.cmd = exec.Command(r.command[0], r.command[1:]...) //nolint:gosec,noctx // the user's own command; signals end it
	r.cmd.Env = append(os.Environ(), "PORT="+port, "FEDSCRAPE_PORT="+port)
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = r.stdin, r.stdout, r.stderr
	if err := r.cmd.Start(); err != nil {
		return fmt.Errorf("start the command: %w", err)
	}
	r.options.PID = r.cmd.Process.Pid
	return nil
}

// register never keeps the command from running: without a registration it runs on, and the log says so.
func (r *registrar) register() {
	w, err := worker.Register(context.Background(), r.options)
	if err != nil {
		r.logger.Error("Worker is not registered; the command runs on", "err", err)
		return
	}
	if w.ServiceID() != "" { // by FEDSCRAPE_DISABLE there is none
		r.worker = w
		r.say(w, "Registration is kept up until the command ends")
	}
}

// say tells under which names the worker is found. Whether the agent takes the registration the worker says itself, where it
// does not.
func (r *registrar) say(w *worker.Worker, how string) {
	r.logger.Info(how, "job", r.options.Job, "service_id", w.ServiceID(), "worker_id", w.WorkerID(), "address", w.Addr(), "agent", r.options.Consul)
}

// follow passes signals on and reads the endpoint until the command has ended, and says goodbye for it.
func (r *registrar) follow(signals <-chan os.Signal, ended <-chan error) {
	ticker := time.NewTicker(lastPageInterval)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			r.logger.Debug("Command has ended", "err", err)
			r.goodbye()
			return
		case <-ticker.C:
			r.read()
		case s := <-signals:
			r.read() // the endpoint may be gone with it
			_ = r.cmd.Process.Signal(s)
		}
	}
}

// read keeps the endpoint's page, where it has a good one.
func (r *registrar) read() {
	if r.worker == nil || r.options.FederatorURL == "" {
		return
	}
	url := r.options.Scheme + "://" + r.worker.Addr() + r.options.MetricsPath
	var page []byte
	var contentType string
	err := r.client.Fetch(context.Background(), url, lastPageInterval, func(resp *scraper.Response) (err error) {
		contentType = resp.ContentType
		page, err = io.ReadAll(resp.Body)
		return err
	})
	if r.unread = err; err == nil {
		r.page, r.contentType = page, contentType
	}
}

// goodbye hands in the last page that was read, and deregisters.
func (r *registrar) goodbye() {
	if r.worker == nil {
		return
	}
	switch {
	case r.options.FederatorURL == "":
	case r.page == nil:
		r.logger.Warn("No page of the command was read, so none is handed in: what it counted is lost if no scrape has met it", "address", r.worker.Addr(), "err", r.unread)
	default:
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.worker.FinalPage(ctx, r.contentType, r.page); err != nil {
			r.logger.Warn("The command's last page is not taken", "err", err)
		}
	}
	if err := r.worker.Close(); err != nil {
		r.logger.Warn("Worker is not deregistered", "err", err)
	}
}

// exitCode is the command's: 128 and the signal's number where a signal ended it.
func (r *registrar) exitCode() error {
	state, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
		return errors.New("the command's exit code is not known")
	case state.Signaled():
		return codeError(128 + int(state.Signal()))
	case state.ExitStatus() != 0:
		return codeError(state.ExitStatus())
	}
	return nil
}
