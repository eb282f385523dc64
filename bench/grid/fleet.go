package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// How the values of a fleet move.
const (
	given   = "given"   // two rounds in turn: every other answer is lower in all its lines, a restart that tells the same start time
	growing = "growing" // what counts grows from answer to answer
	fixed   = "fixed"   // one round: the sums can be told from outside
)

// fleet is a running one.
type fleet struct {
	*process
	dir     string // with urls.txt
	Bytes   int    `json:"bytes"`
	Samples int    `json:"samples"`
	Ports   []int  `json:"ports"`
}

func (b *bench) startFleet(ctx context.Context, c config, values string, seed int) (*fleet, error) {
	dir, err := os.MkdirTemp(b.dir, "fleet-")
	if err != nil {
		return nil, err
	}
	args := []string{
		"serve", "-workers", strconv.Itoa(c.workers), "-series", strconv.Itoa(c.series), "-out", dir,
		"-seed", strconv.Itoa(seed), "-change", "1",
	}
	switch values {
	case growing:
		args = append(args, "-grow")
	case fixed:
		args = append(args, "-rounds", "1")
	}
	f := &fleet{dir: dir}
	if f.process, err = b.start(ctx, dir, true, b.bin("corpus"), args...); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(f.first), f); err != nil {
		f.stop()
		return nil, fmt.Errorf("read what the fleet says: %w", err)
	}
	return f, nil
}

func (f *fleet) urls() string { return filepath.Join(f.dir, "urls.txt") }

// writeTargets writes the fleet, spread over instances, as the product's configuration expects it.
func (f *fleet) writeTargets(dir string, instances int) error {
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	groups := make([]group, instances)
	for i, port := range f.Ports {
		g := &groups[i%instances]
		g.Targets = append(g.Targets, "127.0.0.1:"+strconv.Itoa(port))
		g.Labels = map[string]string{"instance": instanceName(i % instances)}
	}
	text, err := json.Marshal(groups)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "targets.json")
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func instanceName(i int) string { return fmt.Sprintf("web%d:8000", i) }
