package main

import (
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
)

// eachCommand calls f for all commands, the hidden and the nested ones too.
func eachCommand(prefix []string, commands []*cli.Command, f func(path []string, c *cli.Command)) {
	for _, c := range commands {
		path := slices.Concat(prefix, []string{c.Name})
		f(path, c)
		eachCommand(path, c.Subcommands, f)
	}
}

// parse gives the context that a command's action would get.
func parse(t *testing.T, path []string, args ...string) (got *cli.Context) {
	t.Helper()
	app := newApp(strings.NewReader(""), io.Discard, io.Discard)
	eachCommand(nil, app.Commands, func(_ []string, c *cli.Command) {
		c.Action = func(c *cli.Context) error {
			got = c
			return nil
		}
	})
	if err := app.Run(append(append([]string{"fedscrape"}, path...), args...)); err != nil || got == nil {
		t.Fatalf("fedscrape %s: %v", strings.Join(path, " "), err)
	}
	return got
}

// values are the flags' values, and whether they were given.
func values(c *cli.Context) (all map[string]any, given []string) {
	all = map[string]any{}
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if slice, ok := f.(*cli.StringSliceFlag); ok {
			all[name] = c.StringSlice(slice.Name)
		} else {
			all[name] = c.Value(name)
		}
		if c.IsSet(name) {
			given = append(given, name)
		}
	}
	return all, given
}

func clearEnv(t *testing.T, c *cli.Command) {
	for _, f := range c.Flags {
		if doc, ok := f.(cli.DocGenerationFlag); ok {
			for _, name := range doc.GetEnvVars() {
				t.Setenv(name, "")
			}
		}
	}
}

// TestEveryFlagIsAnEnvironmentVariable holds each flag of each command against its variable: set, set but empty, and
// beaten by the flag.
func TestEveryFlagIsAnEnvironmentVariable(t *testing.T) {
	app, flags := newApp(strings.NewReader(""), io.Discard, io.Discard), 0
	eachCommand(nil, app.Commands, func(path []string, c *cli.Command) {
		t.Run(strings.Join(path, " "), func(t *testing.T) {
			clearEnv(t, c)
			defaults, given := values(parse(t, path))
			if len(given) > 0 {
				t.Errorf("empty variables count as given: %v", given)
			}
			for _, f := range c.Flags {
				if name := f.Names()[0]; name != "help" {
					flags++
					wantVariable(t, path, f, defaults[name])
				}
			}
		})
	})
	if flags < 40 {
		t.Errorf("only %d flags", flags)
	}
}

func wantVariable(t *testing.T, path []string, f cli.Flag, whereNotGiven any) {
	t.Helper()
	name := f.Names()[0]
	variable := "FEDSCRAPE_" + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(name))
	var text, other string
	var want, wantOther any
	switch f.(type) {
	case *cli.StringFlag:
		text, want, other, wantOther = "a, b", "a, b", "c", "c"
	case *cli.StringSliceFlag:
		text, want, other, wantOther = "a,b", []string{"a,b"}, "c", []string{"c"}
	case *cli.BoolFlag:
		text, want, other, wantOther = "true", true, "false", false
	case *cli.IntFlag:
		text, want, other, wantOther = "77", 77, "78", 78
	case *cli.DurationFlag:
		text, other = "77s", "1m18s"
		want, wantOther = mustDuration(t, text), mustDuration(t, other)
	default:
		t.Fatalf("--%s: a flag of type %T", name, f)
	}
	if reflect.DeepEqual(whereNotGiven, want) {
		t.Fatalf("--%s: the default is what this test sets", name)
	}
	t.Setenv(variable, text)
	got, given := values(parse(t, path))
	if !reflect.DeepEqual(got[name], want) || len(given) != 1 || given[0] != name {
		t.Errorf("%s=%q gives --%s %v, given are %v", variable, text, name, got[name], given)
	}
	if got, _ := values(parse(t, path, "--"+name+"="+other)); !reflect.DeepEqual(got[name], wantOther) {
		t.Errorf("%s beats --%s=%s: %v", variable, name, other, got[name])
	}
	t.Setenv(variable, "")
}

// An empty variable does not hide the other one that a flag knows.
func TestEmptyVariableHidesNoOther(t *testing.T) {
	t.Setenv("FEDSCRAPE_CONSUL_SERVER", "")
	t.Setenv("CONSUL_HTTP_ADDR", "127.0.0.1:8501")
	if got := parse(t, []string{"register"}).String("consul.server"); got != "127.0.0.1:8501" {
		t.Errorf("--consul.server is %q", got)
	}
}

// TestEveryCommandHasAnExample: a command that a person types shows how in its help.
func TestEveryCommandHasAnExample(t *testing.T) {
	app := newApp(strings.NewReader(""), io.Discard, io.Discard)
	eachCommand(nil, app.Commands, func(path []string, c *cli.Command) {
		group := len(c.Subcommands) > 0 || path[0] == "completion"
		if !c.Hidden && !group && !strings.Contains(c.Description, "   fedscrape "+strings.Join(path, " ")) {
			t.Errorf("fedscrape %s has none", strings.Join(path, " "))
		}
	})
}

func TestDidYouMean(t *testing.T) {
	f := func(word, want string) {
		t.Helper()
		got := didYouMean("--", word, []string{"job", "config.file", "web.config.file", "web.listen-address", "h"})
		if want != "" {
			want = ", did you mean --" + want + "?"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	f("confg.file", "config.file")
	f("web-config-file", "web.config.file")
	f("web.listn_address", "web.listen-address")
	f("jobs", "job")
	f("x", "")
	f("unlike", "")
	f("", "")
}

func mustDuration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
