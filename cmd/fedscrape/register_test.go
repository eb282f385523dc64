package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// testChild is a command for register to run. It serves metrics at PORT, and does with signals what its argument says.
func testChild() {
	var counted, scraped atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/count", func(http.ResponseWriter, *http.Request) { counted.Add(1) })
	mux.HandleFunc("/scraped", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%d", scraped.Load()) })
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE x_total counter\nx_total %d\n", counted.Load())
		scraped.Add(1)
	})
	if os.Args[1] != "dies" {
		signals := make(chan os.Signal, 16)
		signal.Notify(signals)
		go func() {
			for s := range signals {
				if s == syscall.SIGURG { // the runtime's own
					continue
				}
				fmt.Println("got", s)
				if code, err := strconv.Atoi(os.Args[1]); err == nil && s == syscall.SIGTERM {
					os.Exit(code)
				}
			}
		}()
	}
	fmt.Fprintln(os.Stderr, http.ListenAndServe(net.JoinHostPort("127.0.0.1", os.Getenv("PORT")), mux))
	os.Exit(99)
}

// registration is what a registry says of a worker.
type registration struct {
	ID, Service, Address string
	Port                 int
	Meta                 map[string]string
}

// registered is a running `fedscrape register`.
type registered struct {
	*exec.Cmd
	registration
	registry *testRegistry
	finals   chan string // what was handed in
	out      safeBuilder
	pid      int // of the command
}

func startRegister(t *testing.T, args ...string) *registered {
	t.Helper()
	r := &registered{registry: startRegistry(t), finals: make(chan string, 10)}
	federator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		page, _ := io.ReadAll(req.Body)
		if r.registry.find(t) == nil {
			t.Error("the last page comes after the deregistration")
		}
		r.finals <- req.Header.Get("X-Fedscrape-Worker") + " " + req.URL.RawQuery + "\n" + string(page)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(federator.Close)
	r.Cmd = exec.Command("fedscrape", append([]string{
		"register", "--job=webapp", "--instance=web1", "--worker-id=7", "--ttl=1s", "--log.level=error",
		"--consul.server=" + r.registry.address, "--federator.url=" + federator.URL,
	}, args...)...)
	r.Stdout, r.Stderr, r.WaitDelay = &r.out, &r.out, 10*time.Second
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.ProcessState == nil {
			_ = r.Process.Kill()
			_ = r.Wait()
		}
		if t.Failed() {
			t.Log(r.out.String())
		}
	})
	await(t, "the registration", func() bool {
		found := r.registry.find(t)
		if found != nil {
			r.registration = *found
		}
		return found != nil
	})
	r.pid, _ = strconv.Atoi(r.Meta["pid"])
	return r
}

// find gives the registered service, nil where there is none.
func (r *testRegistry) find(t *testing.T) *registration {
	status, body := get(http.MethodGet, r.URL+"/v1/agent/services")
	var all map[string]registration
	if err := json.Unmarshal([]byte(body), &all); err != nil || len(all) > 1 {
		t.Errorf("%d, %v: %s", status, err, body)
	}
	for _, found := range all {
		return &found
	}
	return nil
}

// startRegisteredChild returns when the command serves its metrics, and has counted to 3.
func startRegisteredChild(t *testing.T, how string) *registered {
	t.Helper()
	r := startRegister(t, "--address=127.0.0.1", "--", "testchild", how)
	t.Cleanup(func() { _ = syscall.Kill(r.pid, syscall.SIGKILL) })
	await(t, "the command", func() bool { return r.ask("/scraped") >= 0 })
	for range 3 {
		r.ask("/count")
	}
	return r
}

// ask gives the number that the command answers, -1 where there is none.
func (r *registered) ask(path string) int {
	_, body := get(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", r.Port, path))
	n, err := strconv.Atoi(body)
	if err != nil {
		return -1
	}
	return n
}

func (r *registered) send(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// wantEnd wants register's exit code, and that the registration is withdrawn.
func (r *registered) wantEnd(t *testing.T, code int) {
	t.Helper()
	timer := time.AfterFunc(time.Minute, func() { _ = r.Process.Kill() })
	defer timer.Stop()
	_ = r.Wait()
	if got := r.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d (%v), want %d", got, r.ProcessState, code)
	}
	if left := r.registry.find(t); left != nil {
		t.Errorf("left in the registry: %+v", left)
	}
	if err := syscall.Kill(r.pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the command is left: %v", err)
	}
}

// wantFinal wants the one last page.
func (r *registered) wantFinal(t *testing.T) {
	t.Helper()
	want := r.ID + " instance=web1&job=webapp\n# TYPE x_total counter\nx_total 3\n"
	if len(r.finals) != 1 {
		t.Fatalf("%d pages are handed in", len(r.finals))
	}
	if got := <-r.finals; got != want {
		t.Errorf("handed in: %q, want %q", got, want)
	}
}

// A service manager's SIGTERM reaches the command, whose last counts, exit code and registration are not lost.
func TestRegisterIsTerminated(t *testing.T) {
	for how, code := range map[string]int{"0": 0, "3": 3, "dies": 128 + 15} {
		t.Run(how, func(t *testing.T) {
			r := startRegisteredChild(t, how)
			r.send(t, r.Process.Pid, syscall.SIGTERM)
			r.wantEnd(t, code)
			r.wantFinal(t)
			if how != "dies" && r.out.String() != "got terminated\n" {
				t.Errorf("the command says %q", r.out.String())
			}
		})
	}
}

// A command that is killed cannot be asked any more: the page of the second before counts.
func TestRegisteredCommandIsKilled(t *testing.T) {
	r := startRegisteredChild(t, "dies")
	before := r.ask("/scraped")
	await(t, "two more scrapes", func() bool { return r.ask("/scraped") > before+1 })
	r.send(t, r.pid, syscall.SIGKILL)
	r.wantEnd(t, 128+9)
	r.wantFinal(t)
}

// Each signal is passed on, and nobody is killed: that is for who sends them to decide.
func TestRegisteredCommandIgnoresSignals(t *testing.T) {
	r := startRegisteredChild(t, "ignores")
	want := ""
	for _, s := range []syscall.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
	} {
		r.send(t, r.Process.Pid, s)
		want += "got " + s.String() + "\n"
		await(t, s.String(), func() bool { return r.out.String() == want })
	}
	if r.registry.find(t) == nil || r.ask("/scraped") < 0 {
		t.Error("the command runs on and is not registered any more, or does not run")
	}
	r.send(t, r.pid, syscall.SIGKILL)
	r.wantEnd(t, 128+9)
	r.wantFinal(t)
}

// Where register itself is killed, the command runs on, and Consul's own reaping has the registration: its check turns
// critical because no heartbeat comes.
func TestRegisterIsKilled(t *testing.T) {
	r := startRegisteredChild(t, "ignores")
	checks := func() string {
		_, body := get(http.MethodGet, r.registry.URL+"/v1/agent/checks")
		return body
	}
	if !strings.Contains(checks(), `"Status":"passing"`) {
		t.Errorf("not passing: %s", checks())
	}
	r.send(t, r.Process.Pid, syscall.SIGKILL)
	await(t, "the TTL", func() bool { return strings.Contains(checks(), `"Status":"critical"`) })
	if r.registry.find(t) == nil {
		t.Error("who deregistered it?")
	}
	if r.ask("/scraped") < 0 {
		t.Error("the command is gone")
	}
	if len(r.finals) > 0 {
		t.Error("who handed in a page?")
	}
}

// Without a command it keeps somebody else's endpoint registered, and hands in nothing for it.
func TestRegisterWithoutACommand(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		r := startRegister(t, "--port=9100", "--address=10.0.0.9", "--metrics-path=/m", "--scheme=https")
		if r.Service != "webapp" || r.Address != "10.0.0.9" || r.Port != 9100 || r.Meta["metrics_path"] != "/m" || r.Meta["scheme"] != "https" {
			t.Errorf("registered: %+v", r.registration)
		}
		r.pid = r.Process.Pid
		r.send(t, r.pid, s)
		r.wantEnd(t, 0)
		if len(r.finals) > 0 {
			t.Error("a page is handed in")
		}
	}
}

// A signal that comes while the agent has not answered yet is a good end like a later one.
func TestRegisterIsTerminatedWhileItRegisters(t *testing.T) {
	calls := make(chan string, 10)
	var cmd *exec.Cmd
	started := make(chan struct{})
	agent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		calls <- req.URL.Path
		if strings.HasSuffix(req.URL.Path, "/register") {
			<-started
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-time.After(200 * time.Millisecond) // the agent's own pace
		}
	}))
	t.Cleanup(agent.Close)
	var out safeBuilder
	cmd = exec.Command("fedscrape", "register", "--job=webapp", "--port=1", "--log.level=error", "--consul.server="+agent.URL)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, 10*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	if err := cmd.Wait(); err != nil || out.String() != "" {
		t.Errorf("%v: %s", err, out.String())
	}
	close(calls)
	last := ""
	for path := range calls {
		last = path
	}
	if !strings.Contains(last, "/v1/agent/service/deregister/webapp-") {
		t.Errorf("the last call is %s", last)
	}
}
