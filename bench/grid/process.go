package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// build makes all the programs of a run.
func (b *bench) build(ctx context.Context) error {
	mod, err := output(ctx, "", "go", "env", "GOMOD")
	if err != nil {
		return err
	}
	b.root = filepath.Dir(mod)
	for _, p := range []struct{ name, dir, pkg string }{
		{"corpus", "bench/corpus", "./cmd/corpus"},
		{"drive", "bench/drive", "."},
		{"naive", "bench/naive", "."},
		{"fedscrape", ".", "./cmd/fedscrape"},
	} {
		if p.name == "fedscrape" && b.product != "" {
			continue
		}
		if _, err := output(ctx, filepath.Join(b.root, p.dir), "go", "build", "-o", b.bin(p.name), p.pkg); err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
	}
	if b.product == "" {
		b.product = b.bin("fedscrape")
	}
	b.product, err = filepath.Abs(b.product)
	return err
}

// output runs a program to its end.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, failed.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// process is a child that runs until stop.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	first string // line of standard output, where asked for
	log   string // file of standard error
	rest  chan struct{}
}

// start runs a program in dir. With firstLine it waits for its first line of output.
func (b *bench) start(ctx context.Context, dir string, firstLine bool, name string, args ...string) (*process, error) {
	log, err := os.CreateTemp(b.dir, filepath.Base(name)+"-*.log")
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own
	p := &process{cmd: exec.CommandContext(ctx, name, args...), log: log.Name(), rest: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stderr = dir, log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 10 * time.Second
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	if firstLine {
		p.first, err = lines.ReadString('\n')
	}
	go func() {
		defer close(p.rest)
		_, _ = io.Copy(io.Discard, lines)
	}()
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("%s said nothing: %s", name, p.tail())
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the process and waits for it. How it ends does not matter: what was measured, was.
func (p *process) stop() {
	_ = p.in.Close()
	_ = p.cmd.Cancel()
	<-p.rest
	_ = p.cmd.Wait()
}

// tail is the end of what the process has logged.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-500):])
}
