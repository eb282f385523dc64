package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/fedscrape/fedscrape/internal/realbin"
)

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"fedscrape": main, "testchild": testChild, "testbatch": testBatch})
}

// leakChecked fails where a goroutine is left, as goleak.VerifyTestMain does.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScript runs testdata/script: what the commands say and how they end. UPDATE=1 rewrites what is expected.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: os.Getenv("UPDATE") != "", RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"WEB", "REGISTRY", "PORT"} { // PORT is a worker's
				env.Setenv(name, fmt.Sprintf("127.0.0.1:%d", realbin.FreePort(t)))
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status": status, "http": httpCommand, "waitfor": waitFor, "worker": workerCommand, "signal": signalCommand,
			"quiet": quietCommand,
		},
	})
}

// status CODE COMMAND ARG...: runs the command and wants its exit code.
func status(ts *testscript.TestScript, _ bool, args []string) {
	want, got := args[0], "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != want {
		ts.Fatalf("exit status %s, want %s", got, want)
	}
}

func get(method, url string) (int, string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// slow is what a server may complain of: a disk that others keep busy.
var slow = regexp.MustCompile(`(?m)^.* msg="Ledger has an error: .* err="a write takes longer than 1s"\n`)

// quiet: wants nothing on the standard error but that.
func quietCommand(ts *testscript.TestScript, _ bool, _ []string) {
	if text := slow.ReplaceAllString(ts.ReadFile("stderr"), ""); text != "" {
		ts.Fatalf("on the standard error: %s", text)
	}
}

// http METHOD URL STATUS: asks, wants the status, and leaves the body in the file body.
func httpCommand(ts *testscript.TestScript, _ bool, args []string) {
	code, body := get(args[0], args[1])
	ts.Check(os.WriteFile(ts.MkAbs("body"), []byte(body), 0o600))
	if strconv.Itoa(code) != args[2] {
		ts.Fatalf("%s %s: %d, want %s: %s", args[0], args[1], code, args[2], body)
	}
}

// waitfor URL|file:NAME TEXT: asks until the answer is 200 and has the text, for a minute at most.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(time.Minute)
	for {
		code, body := read(ts, args[0])
		if code == http.StatusOK && strings.Contains(body, args[1]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: %d without %q: %s", args[0], code, args[1], body)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func read(ts *testscript.TestScript, from string) (int, string) {
	name, ok := strings.CutPrefix(from, "file:")
	if !ok {
		return get(http.MethodGet, from)
	}
	body, err := os.ReadFile(ts.MkAbs(name))
	if err != nil {
		return 0, err.Error()
	}
	return http.StatusOK, string(body)
}

// worker ADDRESS FILE: serves a file as a worker's page until the script ends.
func workerCommand(ts *testscript.TestScript, _ bool, args []string) {
	body := ts.ReadFile(args[1])
	listener, err := net.Listen("tcp", args[0])
	ts.Check(err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, body)
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	ts.Defer(server.Close)
}

// signal NAME: signals the script's last background command.
func signalCommand(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}
	commands := ts.BackgroundCmds()
	ts.Check(commands[len(commands)-1].Process.Signal(signals[args[0]]))
}

// TestRunIsCancelled ends serve by its context, as a signal does, once it serves.
func TestRunIsCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fedscrape.yml")
	if err := os.WriteFile(path, []byte("federate_configs: [{job_name: a, static_configs: [{targets: ['127.0.0.1:1']}]}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out strings.Builder
	address := fmt.Sprintf("127.0.0.1:%d", realbin.FreePort(t))
	code := make(chan int, 1)
	go func() { // its end is awaited below
		code <- run(ctx, []string{
			"fedscrape", "serve", "--config.file=" + path, "--web.listen-address=" + address, "--registry.listen-address=127.0.0.1:0",
			"--ledger.path=", "--log.level=error",
		}, strings.NewReader(""), &out, &out)
	}()
	await(t, "the federator", func() bool {
		status, _ := get(http.MethodGet, "http://"+address+"/-/ready")
		return status == http.StatusOK || len(code) > 0
	})
	stop()
	if got := <-code; got != exitDone || out.Len() > 0 {
		t.Errorf("exit code %d: %s", got, out.String())
	}
}
