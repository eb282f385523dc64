package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/prometheus/common/promslog"
	"github.com/urfave/cli/v2"

	"github.com/fedscrape/fedscrape/federator"
	"github.com/fedscrape/fedscrape/ledger"
)

func dumpCommand() *cli.Command {
	return &cli.Command{
		Name:  "dump",
		Usage: "print what a ledger has, as JSON",
		Description: `Of each instance: its workers, those that departed and may return, and of each metric what the ledger and each worker
give to its merged value, as GET /api/v1/explain shows it. The ledger may be in use.

   fedscrape ledger dump --ledger.path=./fedscrape-data`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "ledger.path", Value: "./fedscrape-data", EnvVars: env("ledger.path"), Usage: "`DIRECTORY` of the ledger"},
		},
		Action: dump,
	}
}

// dump reads a copy: the ledger itself is its federator's.
func dump(c *cli.Context) (err error) {
	if err := noArguments(c); err != nil {
		return err
	}
	if c.String("ledger.path") == "" {
		return usagef("--ledger.path is missing")
	}
	dir, err := os.MkdirTemp("", "fedscrape-dump-")
	if err != nil {
		return fmt.Errorf("make a directory for a copy of the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := ledger.Copy(c.String("ledger.path"), dir); err != nil {
		return err
	}
	disk, err := ledger.Open(dir, promslog.NewNopLogger())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	instances, err := federator.Dump(disk, promslog.NewNopLogger())
	if err != nil {
		return fmt.Errorf("read the ledger %s: %w", c.String("ledger.path"), err)
	}
	out := json.NewEncoder(c.App.Writer)
	out.SetIndent("", "  ")
	return out.Encode(instances)
}
