package main

import (
	"errors"
	"fmt"

	"github.com/prometheus/exporter-toolkit/web"
	"github.com/urfave/cli/v2"

	"github.com/fedscrape/fedscrape/config"
	"github.com/fedscrape/fedscrape/discovery"
)

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config.file", TakesFile: true, Value: "fedscrape.yml", EnvVars: env("config.file"), Usage: "configuration `FILE`"}
}

func webConfigFlag() cli.Flag {
	return &cli.StringFlag{Name: "web.config.file", TakesFile: true, EnvVars: env("web.config.file"), Usage: "`FILE` with TLS and basic auth of the web endpoints, as exporter-toolkit has it"}
}

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "check configuration files, without starting anything",
		Description: `   fedscrape check --config.file=fedscrape.yml --web.config.file=web.yml

Errors name file, line and key, all of them at once; the exit code is then 1:

   fedscrape.yml:12: federate_configs[0].gauge_modes[1].mode: unknown mode "livsum" (all, liveall, ...)

Warnings are of what is allowed and hardly meant; they change no exit code.`,
		Flags:  []cli.Flag{configFlag(), webConfigFlag()},
		Action: check,
	}
}

func check(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	file := c.String("config.file")
	cfg, err := config.Load(file)
	if err == nil {
		err = checkClients(file, cfg)
	}
	if err == nil {
		for _, w := range cfg.Warnings {
			_, _ = fmt.Fprintf(c.App.ErrWriter, "%s: warning: %s\n", file, w)
		}
		_, _ = fmt.Fprintf(c.App.Writer, "%s: good, jobs: %d\n", file, len(cfg.Jobs))
	}
	if webFile := c.String("web.config.file"); webFile != "" {
		webErr := web.Validate(webFile)
		if webErr != nil {
			webErr = fmt.Errorf("%s: %w", webFile, webErr)
		} else {
			_, _ = fmt.Fprintf(c.App.Writer, "%s: good\n", webFile)
		}
		err = errors.Join(err, webErr)
	}
	return err
}

// checkClients makes the HTTP clients that serve would: files that they need may be missing.
func checkClients(file string, cfg *config.Config) error {
	jobs, err := federatorJobs(cfg)
	for _, job := range jobs {
		job.Close()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, job := range cfg.Jobs {
		for _, consul := range job.Discovery.Consul {
			_, release, err := discovery.ConnectConsul(consul)
			if err != nil {
				return fmt.Errorf("%s: job %q: set up the client of consul at %s: %w", file, job.JobName, consul.Server, err)
			}
			release()
		}
	}
	return nil
}
