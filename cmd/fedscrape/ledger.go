package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/urfave/cli/v2"
)

func ledgerCommand() *cli.Command {
	return &cli.Command{
		Name:   "ledger",
		Usage:  "look into the ledger, or let the federator forget an instance",
		Action: noCommand,
		Subcommands: []*cli.Command{
			dumpCommand(), forgetCommand(),
		},
	}
}

func forgetCommand() *cli.Command {
	return &cli.Command{
		Name:  "forget",
		Usage: "let the federator forget what an instance has counted",
		Description: `The counters of an instance go on from 0, with what its present workers count now as their base, which Prometheus
sees as one reset. An instance without a present worker goes as a whole. There is no way back.

   fedscrape ledger forget --federator.url=http://127.0.0.1:9390 --job=webapp --instance=web1:8000`,
		Flags: []cli.Flag{
			federatorFlag("`URL` of the federator, which may hold USER:PASSWORD@", env("federator.url", "FEDSCRAPE_URL")),
			&cli.StringFlag{Name: "job", EnvVars: env("job"), Usage: "`NAME` of the job, as the label job has it"},
			&cli.StringFlag{Name: "instance", EnvVars: env("instance"), Usage: "`NAME` of the instance"},
		},
		Action: forget,
	}
}

func forget(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	for _, flag := range []string{"federator.url", "job", "instance"} {
		if c.String(flag) == "" {
			return usagef("--%s is missing", flag)
		}
	}
	client, err := newFederatorClient(c.String("federator.url"))
	if err != nil {
		return err
	}
	defer client.close()
	job, instance := c.String("job"), c.String("instance")
	if err := client.forget(c.Context, job, instance); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.App.Writer, "instance %q of job %q is forgotten\n", instance, job)
	return err
}

func (c *federatorClient) forget(ctx context.Context, job, instance string) error {
	body, err := c.ask(ctx, http.MethodDelete, "/api/v1/instances", url.Values{"job": {job}, "instance": {instance}}, maxReason)
	if err != nil {
		return err
	}
	var envelope struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(body, &envelope) != nil || envelope.Status != "success" {
		return errors.New("the federator at " + c.name() + " does not say that it has forgotten: is it one?")
	}
	return nil
}
