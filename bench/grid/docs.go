package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// replaceSection puts a table between its two markers in a file.
func replaceSection(file, name, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+" begin -->\n", "<!-- "+name+" end -->"
	before, rest, ok := bytes.Cut(old, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("%s has no lines %q and %q to write between", file, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(file, bytes.Join([][]byte{before, []byte(begin + text + end), after}, nil), 0o644) //nolint:gosec // a text of the tree
}

// provenance says where and how a table was made.
func (b *bench) provenance(ctx context.Context) string {
	command := strings.Join(append([]string{"go run ./bench/grid"}, os.Args[1:]...), " ")
	load := fmt.Sprintf("; at most %.0f %% of the machine busy with other things before each measurement", b.busy*100)
	if b.noWait {
		load = "; other things may have been running"
	}
	return fmt.Sprintf("`%s` at commit %s, %s%s. %s, %d cores, %s, Linux %s, %s.\n", command, b.commit(ctx),
		time.Now().UTC().Format(time.DateOnly), load, processor(), runtime.NumCPU(), memory(), kernel(), runtime.Version())
}

func (b *bench) commit(ctx context.Context) string {
	if b.product != b.bin("fedscrape") {
		return "unknown (a given binary)"
	}
	name, err := output(ctx, b.root, "git", "rev-parse", "--short", "HEAD")
	if err != nil {
		return "unknown"
	}
	if changes, err := output(ctx, b.root, "git", "status", "--porcelain", "--untracked-files=no", "--", ":!docs"); err != nil || changes != "" {
		name += " with changes"
	}
	return name
}

func processor() string { return field("/proc/cpuinfo", "model name") }

func memory() string {
	var kB float64
	if _, err := fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%f", &kB); err != nil {
		return "memory unknown"
	}
	return fmt.Sprintf("%.0f GiB", kB/(1<<20))
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

// field is the first value of a name in one of the kernel's lists.
func field(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
