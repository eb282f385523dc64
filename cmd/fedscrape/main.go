// Command fedscrape makes the worker processes of one application instance look to Prometheus like one process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/prometheus/common/version"
	"github.com/urfave/cli/v2"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is wrong use: a wrong flag, an unknown command, a flag after a file.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// codeError ends the program with a code of its own, silently: a child's.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// run is the whole program: arguments in, exit code out.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := newApp(stdin, stdout, stderr).RunContext(ctx, helpFirst(args))
	var usage usageError
	var code codeError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "fedscrape: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "fedscrape: %v\n", err)
		return exitFailed
	}
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:                      "fedscrape",
		Usage:                     "one merged Prometheus endpoint for the many worker processes of one application instance",
		Version:                   version.Info(),
		Description:               appDescription,
		Flags:                     []cli.Flag{cli.HelpFlag}, // cli leaves it out where there is a command help
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true,
		Reader:                    stdin,
		Writer:                    stdout,
		ErrWriter:                 stderr,
		ExitErrHandler:            func(*cli.Context, error) {},
		CommandNotFound:           func(c *cli.Context, _ string) { showHelp(c) },
		OnUsageError:              onUsageError,
		Action:                    noCommand,
		Commands: []*cli.Command{
			serveCommand(), demoCommand(), registerCommand(), targetsCommand(), mergeCommand(), checkCommand(), ledgerCommand(),
			completionCommand(), helpCommand(), demoWorkerCommand(),
		},
	}
	prepare(app.Commands)
	return app
}

const appDescription = `Every flag is also an environment variable, named in the command's help: FEDSCRAPE_WEB_LISTEN_ADDRESS of
--web.listen-address. One that is empty counts as not set, and one of a repeatable flag holds one value. Flags
come before other arguments. Exit codes: 0 done, 1 failed, 2 wrong use.`

// env gives the environment variables of a flag: FEDSCRAPE_WEB_LISTEN_ADDRESS of --web.listen-address, and others that
// it beats. One that is set but empty is left out: cli would take it for a value.
func env(flag string, others ...string) []string {
	names := append([]string{"FEDSCRAPE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(flag))}, others...)
	return slices.DeleteFunc(names, func(name string) bool {
		value, set := os.LookupEnv(name)
		return set && value == ""
	})
}
