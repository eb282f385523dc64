package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/fedscrape/fedscrape/exposition"
	"github.com/fedscrape/fedscrape/merge"
	"github.com/fedscrape/fedscrape/relabel"
	"github.com/fedscrape/fedscrape/scraper"
)

func mergeCommand() *cli.Command {
	return &cli.Command{
		Name:      "merge",
		Usage:     "merge exposition files or URLs to standard output, with the federator's own rules",
		ArgsUsage: "[FILE|URL|-]...",
		Description: `Each argument is one worker's page: a file, an http(s) URL, or - for standard input. A worker's name is the
file's base name without its extension. Input is OpenMetrics where it ends in # EOF, else Prometheus text. Modes of
gauges: all, min, max, sum, mostrecent, avg, each also with live before it, and omit; where mostrecent has no timestamps
the later argument is newer. Where an input is bad nothing is printed, and the exit code is 1. What workers disagree on,
and what is left out for that, is a warning on standard error.

   fedscrape merge --gauge-mode='inprogress_.*=livesum' 1.prom 2.prom
   fedscrape merge --departed=dead.prom http://127.0.0.1:40001/metrics http://127.0.0.1:40002/metrics`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Value: "text", EnvVars: env("format"), Usage: "`FORMAT` of the output: text or openmetrics"},
			&cli.StringFlag{Name: "worker-label", Value: "worker_id", EnvVars: env("worker-label"), Usage: "`LABEL` that names the worker on gauges of mode all"},
			&cli.StringSliceFlag{Name: "gauge-mode", EnvVars: env("gauge-mode"), Usage: "`NAME=MODE`: the mode of the gauges whose whole name matches the regular expression; repeatable, the first match decides"},
			&cli.StringFlag{Name: "default-gauge-mode", Value: "liveall", EnvVars: env("default-gauge-mode"), Usage: "`MODE` of all other gauges"},
			&cli.StringFlag{Name: "body-size-limit", Value: scraper.NewOptions().BodySizeLimit.String(), EnvVars: env("body-size-limit"), Usage: "`SIZE` that no input may exceed, 0 for no limit"},
			&cli.StringSliceFlag{Name: "departed", TakesFile: true, EnvVars: env("departed"), Usage: "`FILE` of a worker that has departed; repeatable"},
		},
		Action: func(c *cli.Context) error {
			m, err := newMerger(c)
			if err != nil {
				return err
			}
			return m.run(c.Context)
		},
	}
}

// merger is one run of the merge command.
type merger struct {
	options  merge.Options
	encoding exposition.Encoding
	limit    scraper.Bytes // of each input; 0 is none
	departed []string
	inputs   []string
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer

	fold  *merge.Fold
	table *exposition.Table
	names map[string]int
	added int
}

func newMerger(c *cli.Context) (*merger, error) {
	m := &merger{
		options: merge.NewOptions(), departed: c.StringSlice("departed"), inputs: c.Args().Slice(),
		stdin: c.App.Reader, stdout: c.App.Writer, stderr: c.App.ErrWriter, names: map[string]int{},
	}
	if err := noFlagsAfter(m.inputs); err != nil {
		return nil, err
	}
	if len(m.inputs)+len(m.departed) == 0 {
		return nil, usagef("nothing to merge: name files, URLs, or - for standard input")
	}
	if standardInputs(m.departed)+standardInputs(m.inputs) > 1 {
		return nil, usagef("standard input (-) can be read once only")
	}
	switch format := c.String("format"); format {
	case "text":
		m.encoding = exposition.Negotiate("text/plain;version=0.0.4;escaping=allow-utf-8")
	case "openmetrics":
		m.encoding = exposition.Negotiate("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8")
	default:
		return nil, usagef("--format: unknown format %q (text, openmetrics)", format)
	}
	var err error
	if m.limit, err = scraper.ParseBytes(c.String("body-size-limit")); err != nil {
		return nil, usagef("--body-size-limit: %w", err)
	}
	m.options.WorkerLabel = c.String("worker-label")
	if err := relabel.ValidateWorkerLabel(m.options.WorkerLabel); err != nil {
		return nil, usageError{err}
	}
	m.options.DepartedLimit = len(m.departed)
	if err := m.modes(c.String("default-gauge-mode"), c.StringSlice("gauge-mode")); err != nil {
		return nil, err
	}
	if err := m.options.Validate(); err != nil {
		return nil, usageError{err}
	}
	return m, nil
}

func standardInputs(inputs []string) (n int) {
	for _, input := range inputs {
		if input == "-" {
			n++
		}
	}
	return n
}

func (m *merger) modes(fallback string, rules []string) (err error) {
	if m.options.DefaultGaugeMode, err = merge.ParseMode(fallback); err != nil {
		return usagef("--default-gauge-mode: %w", err)
	}
	for _, rule := range rules {
		at := strings.LastIndexByte(rule, '=')
		if at <= 0 {
			return usagef("--gauge-mode %q: want NAME=MODE", rule)
		}
		mode, err := merge.ParseMode(rule[at+1:])
		if err != nil {
			return usagef("--gauge-mode %q: %w", rule, err)
		}
		match, err := merge.NewRegexp(rule[:at])
		if err != nil {
			return usagef("--gauge-mode %q: %w", rule, err)
		}
		m.options.GaugeModes = append(m.options.GaugeModes, merge.GaugeRule{Match: match, Mode: mode})
	}
	return nil
}

func (m *merger) run(ctx context.Context) error {
	m.fold, m.table = merge.New(m.options), exposition.NewTable(1<<30)
	now := time.Now()
	var bad []error
	for i, input := range append(m.departed, m.inputs...) {
		inc, err := m.add(ctx, input, now)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", withoutPassword(input), err))
			continue
		}
		if i < len(m.departed) {
			m.fold.Depart(inc, now, false)
		}
	}
	if len(bad) > 0 {
		return errors.Join(bad...)
	}
	families := m.fold.Render(now)
	m.warn()
	return exposition.EncodeFilled(m.stdout, m.encoding, families)
}

// warn says what the inputs disagree on.
func (m *merger) warn() {
	for _, c := range m.fold.Conflicts() {
		of := c.Metric
		if c.WorkerID != "" {
			of += " of worker " + c.WorkerID
		}
		_, _ = fmt.Fprintf(m.stderr, "warning: %s: %s: %s\n", of, c.Kind, c.Detail)
	}
}

// add takes one input in as a worker.
func (m *merger) add(ctx context.Context, input string, now time.Time) (*merge.Incarnation, error) {
	body, err := m.read(ctx, input)
	if err != nil {
		return nil, err
	}
	m.added++
	inc := m.fold.Add(merge.Spec{Key: input, WorkerID: m.name(input), Born: time.Unix(int64(m.added), 0)})
	stage := inc.Stage()
	stage.DefaultStamp = int64(m.added) // without timestamps the later argument is newer
	page := exposition.NewPage(exposition.SniffFormat(body), m.table, stage, exposition.Limits{}, nil)
	if _, err := page.Write(body); err != nil {
		return nil, err
	}
	if err := page.Close(true); err != nil {
		return nil, err
	}
	m.fold.SetUp(inc, true)
	m.fold.Commit(stage, now)
	return inc, nil
}

// name is the worker's: the base name without extension, made unique.
func (m *merger) name(input string) string {
	name := input
	if u, err := url.Parse(input); err == nil && u.Host != "" {
		name = u.Host
	} else if input != "-" {
		name = filepath.Base(input)
		name = cmp.Or(strings.TrimSuffix(name, filepath.Ext(name)), name) // a name such as .prom is all extension
	}
	if m.names[name]++; m.names[name] > 1 {
		return fmt.Sprintf("%s~%d", name, m.names[name])
	}
	return name
}

func (m *merger) read(ctx context.Context, input string) ([]byte, error) {
	switch {
	case input == "-":
		return m.readAll(m.stdin)
	case strings.HasPrefix(input, "http://") || strings.HasPrefix(input, "https://"):
		return m.fetch(ctx, input)
	}
	file, err := os.Open(input)
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err // the name is said already
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return m.readAll(file)
}

func withoutPassword(input string) string {
	if u, err := url.Parse(input); err == nil && u.User != nil {
		return u.Redacted()
	}
	return input
}

func (m *merger) readAll(r io.Reader) ([]byte, error) {
	if m.limit == 0 {
		return io.ReadAll(r)
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(m.limit)+1))
	if err == nil && len(body) > int(m.limit) {
		return nil, fmt.Errorf("larger than --body-size-limit (%v): raise it if this is a worker's page", m.limit)
	}
	return body, err
}

func (m *merger) fetch(ctx context.Context, url string) (body []byte, err error) {
	options := scraper.NewOptions()
	options.BodySizeLimit = m.limit
	client, err := scraper.NewClient(options)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	err = client.Fetch(ctx, url, 0, func(r *scraper.Response) (err error) {
		body, err = io.ReadAll(r.Body)
		return err
	})
	if scraper.ResultOf(err) == scraper.ResultTooLarge {
		err = fmt.Errorf("%w: raise --body-size-limit if this is a worker's page", err)
	}
	return body, err
}
