package config

import (
	"errors"
	"strings"
	"testing"
)

// jobText wraps a job's lines; the first is line 4 of the file.
func jobText(lines string) string {
	const head = "federate_configs:\n  - job_name: webapp\n    static_configs: [{targets: [127.0.0.1:9000]}]\n"
	return head + "    " + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n    ") + "\n"
}

func parse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Parse("fedscrape.yml", []byte(text))
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return cfg
}

// wrong checks that the text is refused with just these errors, which are given without the file's name.
func wrong(t *testing.T, text string, want ...string) {
	t.Helper()
	cfg, err := Parse("f.yml", []byte(text))
	if err == nil || cfg != nil {
		t.Errorf("no error in\n%s", text)
		return
	}
	if _, ok := errors.AsType[Errors](err); !ok {
		t.Errorf("%T is not Errors", err)
	}
	got := strings.ReplaceAll(err.Error(), "f.yml:", "")
	if got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s\nin\n%s", got, strings.Join(want, "\n"), text)
	}
}
