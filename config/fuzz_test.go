package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"
)

// FuzzParse checks that no text panics, that each error has its line, that what is accepted can be shown and read
// again, and that yaml.v2's strict decoder, another implementation, takes the text as well.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*/*.yml")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range seeds {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(jobText("gauge_modes: [{match: a, mode: livsum}]"))
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := Parse("f.yml", []byte(text))
		if err != nil {
			checkErrors(t, text, err)
			return
		}
		if again, err := Parse("f.yml", []byte(cfg.String())); err != nil || again.String() != cfg.String() {
			t.Errorf("shown as\n%s\nwhich reads as %v", cfg, err)
		}
		if err := secondOpinion(text); err != nil {
			t.Errorf("yaml.v2: %v", err)
		}
	})
}

func checkErrors(t *testing.T, text string, err error) {
	t.Helper()
	lines := 1
	for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} { // those of YAML 1.1
		lines += strings.Count(text, end)
	}
	for _, e := range err.(Errors) { //nolint:errorlint // Parse gives nothing else
		if e.Line < 1 || e.Line > lines+1 || e.Message == "" {
			t.Errorf("line %d of %d: %v", e.Line, lines, e)
		}
	}
}

// secondOpinion leaves out what YAML 1.1 and 1.2, or the libraries, take differently.
func secondOpinion(text string) error {
	if strings.ContainsAny(text, "&*<!%?|>\\\r\x00\u0085\u2028\u2029\ufeff~") || strings.Contains(text, "null") {
		return nil
	}
	var out file
	return yaml.UnmarshalStrict([]byte(text), &out)
}
