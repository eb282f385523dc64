// Command fedscrape makes the worker processes of one application instance look to Prometheus like one process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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
	err := newApp(stdin, stdout, stderr).RunContext(ctx, args)
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
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true,
		EnableBashCompletion:      true,
		Reader:                    stdin,
		Writer:                    stdout,
		ErrWriter:                 stderr,
		OnUsageError:              onUsageError,
		ExitErrHandler:            func(*cli.Context, error) {},
		Action:                    noCommand,
		Commands:                  []*cli.Command{serveCommand(), demoCommand(), mergeCommand(), registerCommand(), checkCommand(), demoWorkerCommand()},
	}
	for _, c := range app.Commands {
		c.OnUsageError = onUsageError
		c.HideHelpCommand = true
	}
	return app
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	name := "fedscrape"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != name {
		name += " " + c.Command.Name
	}
	return usagef("%w; see %s --help", err, name)
}

// noCommand is reached without a command, or with one that does not exist.
func noCommand(c *cli.Context) error {
	if !c.Args().Present() {
		_ = cli.ShowAppHelp(c)
		return usagef("a command is missing")
	}
	names := make([]string, 0, len(c.App.Commands))
	for _, command := range c.App.VisibleCommands() {
		names = append(names, command.Name)
	}
	return usagef("unknown command %q (%s)", c.Args().First(), strings.Join(names, ", "))
}

// env gives the environment variable of a flag: FEDSCRAPE_WEB_LISTEN_ADDRESS of --web.listen-address.
func env(flag string) []string {
	return []string{"FEDSCRAPE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(flag))}
}

// noArguments refuses what follows the flags.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("%s takes no argument, but got %q", c.Command.Name, c.Args().First())
	}
	return nil
}

// noFlagsAfter refuses a flag that stands behind a file: it would be taken for one.
func noFlagsAfter(args []string) error {
	for _, a := range args {
		if len(a) > 1 && a[0] == '-' {
			return usagef("flag %q after a file: flags come first", a)
		}
	}
	return nil
}
