package main

import (
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// prepare gives all commands our way with wrong use.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError = onUsageError
		c.HideHelpCommand = true
		if c.Subcommands == nil {
			c.Subcommands = []*cli.Command{} // or cli would look for `merge --help serve` among the program's
		}
		prepare(c.Subcommands)
	}
}

// commandName is a command as one types it.
func commandName(c *cli.Context) string {
	if c.Command == nil || c.Command.HelpName == "" {
		return c.App.Name
	}
	return c.Command.HelpName
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	hint := ""
	if flag, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok && c.Command != nil {
		hint = didYouMean("--", strings.TrimLeft(flag, "-"), flagNames(c.Command))
	}
	return usagef("%w%s; see %s --help", err, hint, commandName(c))
}

func flagNames(c *cli.Command) []string {
	var names []string
	for _, f := range c.Flags {
		names = append(names, f.Names()...)
	}
	return append(names, "help")
}

// noCommand is reached without a command, or with one that does not exist.
func noCommand(c *cli.Context) error {
	name := c.Args().First()
	if name == "" {
		showHelp(c)
		return usagef("a command is missing")
	}
	names := commandNames(c.Command.VisibleCommands())
	if len(name) > 1 && name[0] == '-' {
		return usagef("flag %q after --: a command comes first (%s)", name, strings.Join(names, ", "))
	}
	return usagef("unknown command %q%s (%s)", name, didYouMean("", name, names), strings.Join(names, ", "))
}

func commandNames(commands []*cli.Command) []string {
	names := make([]string, 0, len(commands))
	for _, command := range commands {
		names = append(names, command.Name)
	}
	return names
}

// showHelp prints the help of a context's command.
func showHelp(c *cli.Context) {
	switch {
	case c.Command == nil || c.Command.HelpName == "" || c.Command.HelpName == c.App.Name:
		_ = cli.ShowAppHelp(c)
	case len(c.Command.Subcommands) > 0:
		_ = cli.ShowSubcommandHelp(c)
	default:
		cli.HelpPrinter(c.App.Writer, cli.CommandHelpTemplate, c.Command)
	}
}

// helpFirst reads `fedscrape --help merge` as `fedscrape help merge`.
func helpFirst(args []string) []string {
	if len(args) > 2 && (args[1] == "--help" || args[1] == "-h") {
		return append([]string{args[0], "help"}, args[2:]...)
	}
	return args
}

func helpCommand() *cli.Command {
	return &cli.Command{
		Name:        "help",
		Usage:       "show the help of a command",
		ArgsUsage:   "[COMMAND]...",
		Description: "   fedscrape help ledger forget",
		Action: func(c *cli.Context) error {
			commands := c.App.Commands
			for _, name := range c.Args().Slice() {
				i := slices.IndexFunc(commands, func(command *cli.Command) bool { return command.Name == name })
				if i < 0 {
					names := commandNames(slices.DeleteFunc(slices.Clone(commands), func(c *cli.Command) bool { return c.Hidden }))
					return usagef("no help on %q%s: there is no such command", strings.Join(c.Args().Slice(), " "), didYouMean("", name, names))
				}
				commands = commands[i].Subcommands
			}
			args := slices.Concat([]string{c.App.Name}, c.Args().Slice(), []string{"--help"})
			return newApp(c.App.Reader, c.App.Writer, io.Discard).RunContext(c.Context, args)
		},
	}
}

// noArguments refuses what follows the flags.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("%s takes no argument, but got %q", strings.TrimPrefix(commandName(c), c.App.Name+" "), c.Args().First())
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

// didYouMean names what is nearest to a word, where something is near.
func didYouMean(prefix, word string, names []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, name := range names {
		if d := editDistance(word, name); d < least && d < len(name) {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + prefix + best + "?"
}

// editDistance counts the bytes to insert, delete or replace between two words.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
