package main

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"github.com/fedscrape/fedscrape/config"
	"github.com/fedscrape/fedscrape/discovery/publish"
)

const root = "../.."

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// docs are all texts for people, but for the changelog, which speaks of what was.
func docs(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			if name = strings.TrimPrefix(name, root+"/"); name != "CHANGELOG.md" {
				names = append(names, name)
			}
		}
	}
	if len(names) < 10 {
		t.Fatalf("only %v", names)
	}
	return names
}

// TestEveryFlagIsInTheDocs holds the commands against their rows in docs/configuration.md, and every flag that a text
// names against the commands.
func TestEveryFlagIsInTheDocs(t *testing.T) {
	text := readDoc(t, "docs/configuration.md")
	known := []string{"--help", "--version"}
	eachCommand(nil, newApp(strings.NewReader(""), io.Discard, io.Discard).Commands, func(path []string, c *cli.Command) {
		name := strings.Join(path, " ")
		_, row, _ := strings.Cut(text, "| `"+name+"` |")
		row, _, _ = strings.Cut(row, "\n")
		for _, f := range c.Flags {
			flag := "--" + f.Names()[0]
			known = append(known, flag)
			common := flag == "--help" || strings.HasPrefix(flag, "--log.")
			if !c.Hidden && !common && !strings.Contains(row, "`"+flag+"`") {
				t.Errorf("docs/configuration.md does not name %s of fedscrape %s", flag, name)
			}
		}
	})
	for _, name := range docs(t) {
		for _, flag := range regexp.MustCompile("`(--[a-z][a-z.-]*)").FindAllStringSubmatch(readDoc(t, name), -1) {
			if !slices.Contains(known, flag[1]) {
				t.Errorf("%s names %s, which is no flag", name, flag[1])
			}
		}
	}
}

// TestCommandsInTheDocs parses each command line of the texts.
func TestCommandsInTheDocs(t *testing.T) {
	line := regexp.MustCompile("(?m)(?:^ *(?:\\./)?|[`(])fedscrape ([a-z][^\n`]*)")
	n := 0
	for _, name := range docs(t) {
		for _, found := range line.FindAllStringSubmatch(readDoc(t, name), -1) {
			words, _, _ := strings.Cut(found[1], " #")
			words, _, _ = strings.Cut(words, ")")
			args := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(words))
			if args[0] == strings.ToLower(args[0]) && !slices.Contains(args, "COMMAND") && isCommand(args[0]) {
				n++
				parse(t, nil, args...)
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d command lines", n)
	}
}

func isCommand(name string) bool {
	commands := newApp(strings.NewReader(""), io.Discard, io.Discard).Commands
	return slices.ContainsFunc(commands, func(c *cli.Command) bool { return c.Name == name })
}

// TestEveryKeyIsInTheDocs holds the keys of the configuration against docs/configuration.md.
func TestEveryKeyIsInTheDocs(t *testing.T) {
	text, keys := readDoc(t, "docs/configuration.md"), map[string]bool{"global": true, "federate_configs": true, "publish": true}
	addKeys(keys, reflect.TypeFor[config.Job]())
	addKeys(keys, reflect.TypeFor[publish.Options]())
	if len(keys) < 60 {
		t.Errorf("only %d keys", len(keys))
	}
	for key := range keys {
		if !regexp.MustCompile("`" + key + "`|(?m)[ -]*\\b" + key + ":").MatchString(text) {
			t.Errorf("docs/configuration.md does not name %s", key)
		}
	}
}

// addKeys adds the keys of a struct of ours, and of those that it inlines or holds; Prometheus' own documentation has
// what is within its types.
func addKeys(keys map[string]bool, typ reflect.Type) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return
	}
	for field := range typ.Fields() {
		name, options, tagged := strings.Cut(field.Tag.Get("yaml"), ",")
		switch ours := strings.Contains(typ.PkgPath(), "/fedscrape/"); {
		case strings.Contains(options, "inline"):
			addKeys(keys, field.Type)
		case name != "" && name != "-" && (tagged || ours):
			keys[name] = true
			if ours && strings.Contains(elem(field.Type).PkgPath(), "/fedscrape/") {
				addKeys(keys, field.Type)
			}
		}
	}
}

func elem(typ reflect.Type) reflect.Type {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	return typ
}

// TestEveryMetricIsInTheDocs holds the metrics that the code names against docs/architecture.md, both ways.
func TestEveryMetricIsInTheDocs(t *testing.T) {
	text, named := readDoc(t, "docs/architecture.md"), map[string]bool{"fedscrape_build_info": true}
	name := regexp.MustCompile(`"(fedscrape_[a-z_]*[a-z])"`)
	for _, folder := range []string{"cmd/fedscrape", "discovery", "discovery/publish", "federator", "scraper"} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, found := range name.FindAllStringSubmatch(readDoc(t, strings.TrimPrefix(file, root+"/")), -1) {
				named[found[1]] = found[1] != "fedscrape_gauge_mode" // which is a worker's
			}
		}
	}
	if len(named) < 25 {
		t.Errorf("only %d metrics", len(named))
	}
	for metric, ours := range named {
		if ours && !strings.Contains(text, "`"+metric) {
			t.Errorf("docs/architecture.md does not name %s", metric)
		}
	}
	for _, found := range regexp.MustCompile("`(fedscrape_[a-z_]+)[`{]").FindAllStringSubmatch(text, -1) {
		if _, there := named[found[1]]; !there {
			t.Errorf("docs/architecture.md names %s, which the code does not", found[1])
		}
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestConfigurationsInTheDocs reads each whole configuration of the texts; the one with all keys has the defaults.
func TestConfigurationsInTheDocs(t *testing.T) {
	n := 0
	for _, name := range docs(t) {
		for _, block := range yamlBlock.FindAllStringSubmatch(readDoc(t, name), -1) {
			if !strings.Contains(block[1], "federate_configs:") {
				continue
			}
			n++
			cfg, err := config.Parse(name, []byte(block[1]))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if name != "docs/configuration.md" {
				continue
			}
			least, err := config.Parse(name, []byte(`
federate_configs:
  - job_name: webapp
    consul_sd_configs: [{server: 127.0.0.1:8500, services: [webapp]}]
    gauge_modes: [{match: inprogress_.*, mode: livesum}]
publish: [{server: 127.0.0.1:8500}]
`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(least.String(), cfg.String()); diff != "" {
				t.Errorf("%s does not show the defaults (-):\n%s", name, diff)
			}
		}
	}
	if n < 3 {
		t.Errorf("only %d configurations", n)
	}
}

// TestLinksInTheDocs follows each link within the repository, its heading too.
func TestLinksInTheDocs(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	n := 0
	for _, name := range append(docs(t), "CHANGELOG.md") {
		for _, found := range link.FindAllStringSubmatch(readDoc(t, name), -1) {
			file, heading, _ := strings.Cut(found[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			n++
			target := filepath.Join(filepath.Dir(name), file)
			if file == "" {
				target = name
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s: %v", name, found[1], err)
			} else if heading != "" && !slices.Contains(headings(readDoc(t, target)), heading) {
				t.Errorf("%s links to %s: there is no such heading", name, found[1])
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d links", n)
	}
}

// headings gives the anchors of a text's headings, as the forges make them.
func headings(text string) (anchors []string) {
	for _, found := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchor := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(found[1]), "")
		anchors = append(anchors, strings.ReplaceAll(anchor, " ", "-"))
	}
	return anchors
}
