package main

import (
	_ "embed"
	"strings"
	"text/template"

	"github.com/urfave/cli/v2"

	"github.com/fedscrape/fedscrape/merge"
)

// The scripts hold the whole command line as it is: nothing is run while one types, and so nothing can be run by
// mistake, as the command after `register --` would be by cli's own way of asking the program.
//
//go:embed completion/bash.tmpl
var bashCompletion string

//go:embed completion/zsh.tmpl
var zshCompletion string

//go:embed completion/fish.tmpl
var fishCompletion string

func completionCommand() *cli.Command {
	shell := func(name, template string) *cli.Command {
		return &cli.Command{
			Name: name, Usage: "print the script for " + name,
			Action: func(c *cli.Context) error {
				if err := noArguments(c); err != nil {
					return err
				}
				return printCompletion(c, template)
			},
		}
	}
	return &cli.Command{
		Name:  "completion",
		Usage: "print a script that lets a shell complete the command line",
		Description: `   source <(fedscrape completion bash)
   source <(fedscrape completion zsh)
   fedscrape completion fish | source

To keep it, put the output where the shell looks for it: /etc/bash_completion.d/fedscrape, a file _fedscrape in a
directory of zsh's $fpath, ~/.config/fish/completions/fedscrape.fish.`,
		Action:      noCommand,
		Subcommands: []*cli.Command{shell("bash", bashCompletion), shell("zsh", zshCompletion), shell("fish", fishCompletion)},
	}
}

func printCompletion(c *cli.Context, text string) error {
	parsed, err := template.New("completion").Funcs(template.FuncMap{
		"join": strings.Join, "split": strings.Fields, "quote": shellQuote, "fish": fishQuote, "describe": zshDescribe,
	}).Parse(text)
	if err != nil {
		return err
	}
	root := completable{Children: completables("", c.App.VisibleCommands())}
	for _, child := range root.Children {
		root.Words = append(root.Words, child.Name)
	}
	for i := range root.Children {
		if root.Children[i].Name == "help" {
			root.Children[i].Words = root.Words
		}
	}
	root.Words = append(root.Words, "--help", "--version")
	return parsed.Execute(c.App.Writer, root)
}

// completable is a command as the scripts see it.
type completable struct {
	Path, Name, Usage string
	Words             []string // commands or flags
	Flags             []completableFlag
	Children          []completable
	Files             bool // its arguments are files
}

type completableFlag struct {
	Name, Usage string
	Value       bool     // it takes one
	Values      []string // of a closed set; none: complete files
}

func completables(parent string, commands []*cli.Command) []completable {
	out := make([]completable, 0, len(commands))
	for _, c := range commands {
		if c.Hidden {
			continue
		}
		node := completable{
			Path: strings.TrimSpace(parent + " " + c.Name), Name: c.Name, Usage: c.Usage, Files: c.Name == "merge" || c.Name == "register",
		}
		node.Children = completables(node.Path, c.Subcommands)
		for _, child := range node.Children {
			node.Words = append(node.Words, child.Name)
		}
		node.Flags = completableFlags(c)
		for _, f := range node.Flags {
			node.Words = append(node.Words, "--"+f.Name)
		}
		out = append(out, node)
	}
	return out
}

func completableFlags(c *cli.Command) []completableFlag {
	var out []completableFlag
	for _, f := range c.Flags {
		name := f.Names()[0]
		flag := completableFlag{Name: name, Values: flagValues[name]}
		if doc, ok := f.(cli.DocGenerationFlag); ok && name != "help" {
			flag.Value, flag.Usage = doc.TakesValue(), strings.ReplaceAll(doc.GetUsage(), "`", "")
			out = append(out, flag)
		}
	}
	return append(out, completableFlag{Name: "help", Usage: "show the help"})
}

// flagValues are those of flags with a closed set of values; the names mean the same in all commands.
var flagValues = map[string][]string{
	"default-gauge-mode": gaugeModes(),
	"format":             {"text", "openmetrics"},
	"log.format":         {"logfmt", "json"},
	"log.level":          {"debug", "info", "warn", "error"},
	"mode":               {modeWorkers, modeInstances},
	"scheme":             {"http", "https"},
}

// gaugeModes are all modes, in the order of their numbers.
func gaugeModes() []string {
	var names []string
	for m := merge.ModeAll; m <= merge.ModeOmit; m++ {
		names = append(names, m.String())
	}
	return names
}

// shellQuote makes one word of text, for bash and zsh.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// fishQuote is fish's: it knows \' and \\ between quotes.
func fishQuote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

// zshDescribe is an entry of _describe, whose name ends at the first colon.
func zshDescribe(name, usage string) string {
	return shellQuote(strings.ReplaceAll(name, ":", `\:`) + ":" + usage)
}
