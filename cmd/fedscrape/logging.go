package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/prometheus/common/promslog"
	"github.com/urfave/cli/v2"
)

func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log.level", Value: "info", EnvVars: env("log.level"), Usage: "least `LEVEL` that is logged: debug, info, warn, error"},
		&cli.StringFlag{Name: "log.format", Value: "logfmt", EnvVars: env("log.format"), Usage: "`FORMAT` of the log: logfmt or json"},
	}
}

func newLogger(c *cli.Context, w io.Writer) (*slog.Logger, error) {
	level, format := promslog.NewLevel(), promslog.NewFormat()
	if err := level.Set(c.String("log.level")); err != nil {
		return nil, usageError{fmt.Errorf("--log.level: %w", err)}
	}
	if err := format.Set(c.String("log.format")); err != nil {
		return nil, usageError{fmt.Errorf("--log.format: %w", err)}
	}
	return promslog.New(&promslog.Config{Level: level, Format: format, Writer: w}), nil
}
