package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// TestMergeMultiprocess runs the cases of client_python's multiprocess mode through the command line.
func TestMergeMultiprocess(t *testing.T) {
	dirs, err := filepath.Glob("../../testdata/multiprocess/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var stdout, stderr strings.Builder
			args := multiprocessArgs(t, dir)
			if code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr); code != exitDone {
				t.Fatalf("exit code %d: %s", code, stderr.String())
			}
			expected, err := os.ReadFile(filepath.Join(dir, "expected.prom"))
			if err != nil {
				t.Fatal(err)
			}
			compareSamples(t, samples(t, []byte(stdout.String())), samples(t, expected))
		})
	}
}

// multiprocessArgs is the command line for a case, whose pages are copied to <pid>.prom: the base name is the worker's.
func multiprocessArgs(t *testing.T, dir string) []string {
	t.Helper()
	args := []string{"fedscrape", "merge", "--worker-label=pid"}
	content, err := os.ReadFile(filepath.Join(dir, "gauge_modes.json"))
	if err != nil {
		t.Fatal(err)
	}
	var modes map[string]string
	if err := json.Unmarshal(content, &modes); err != nil {
		t.Fatal(err)
	}
	for name, mode := range modes {
		args = append(args, "--gauge-mode="+regexp.QuoteMeta(name)+"="+mode)
	}
	temp := t.TempDir()
	for _, kind := range []string{"dead", "w"} { // flags come first
		pages, _ := filepath.Glob(filepath.Join(dir, kind+"[0-9]*.prom"))
		for _, page := range pages {
			content, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(temp, strings.TrimPrefix(filepath.Base(page), kind))
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if kind == "dead" {
				file = "--departed=" + file
			}
			args = append(args, file)
		}
	}
	return args
}

// samples reads a page with Prometheus' own parser: a second opinion.
func samples(t *testing.T, page []byte) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for p := textparse.NewPromParser(page, labels.NewSymbolTable(), false); ; {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, page)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var key labels.Labels
		p.Labels(&key)
		_, _, value := p.Series()
		if _, ok := out[key.String()]; ok {
			t.Errorf("%s is there twice", key)
		}
		out[key.String()] = value
	}
}

func compareSamples(t *testing.T, got, want map[string]float64) {
	t.Helper()
	if len(want) == 0 {
		t.Error("nothing is expected")
	}
	for key, w := range want {
		g, ok := got[key]
		// client_python adds in the order of its files; sums are exact here.
		same := g == w || math.IsNaN(g) && math.IsNaN(w) || math.Abs(g-w) <= 1e-13*math.Abs(w)
		if !ok || !same {
			t.Errorf("%s is %s, want %v", key, map[bool]string{true: fmt.Sprint(g), false: "missing"}[ok], w)
		}
	}
	for key, g := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("%s = %v is not expected", key, g)
		}
	}
}
