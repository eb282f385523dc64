package python_test

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestExitHandsInTheFinalSnapshotThenDeregisters(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	proc.start(t)
	id := proc.do(t, "w.service_id")
	start := proc.do(t, "prometheus_client.REGISTRY.get_sample_value('process_start_time_seconds')")
	proc.do(t, metrics)
	if took, err := proc.end(t); err != nil || took > 10*time.Second { // the time that there is is not waited for
		t.Errorf("exit took %s and says %v", took, err)
	}
	if story := p.story(id); story != "register final deregister" {
		t.Fatalf("calls: %s", story)
	}
	final := p.of("final")[0]
	if final.query.Get("job") != "webapp" || final.query.Get("instance") != "web1:8000" ||
		final.header.Get("X-Fedscrape-Start") != start || !strings.HasPrefix(final.header.Get("Content-Type"), "application/openmetrics-text") {
		t.Errorf("query %v header %v", final.query, final.header)
	}
	if !strings.Contains(final.body, "\nlat_count 1.0\n") || !strings.Contains(final.body, `{metric="inprogress",mode="livesum"}`) ||
		!strings.HasSuffix(final.body, "# EOF\n") {
		t.Errorf("final page:\n%s", final.body)
	}
}

func TestFinalWaitsForAFederatorThatStarts(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p, "FEDSCRAPE_URL="+strings.Replace(p.URL, "//", "//u%40:p@", 1))
	proc.start(t)
	p.script(func(c call) int {
		if c.what == "final" {
			p.script(nil)
			return http.StatusServiceUnavailable
		}
		return 0
	})
	if _, err := proc.end(t); err != nil {
		t.Error(err)
	}
	finals := p.of("final")
	if len(finals) != 2 || finals[1].header.Get("Authorization") != "Basic dUA6cA==" {
		t.Errorf("finals: %+v", finals)
	}
}

func TestFinalWaitsForAFederatorThatRestarts(t *testing.T) {
	p := newPeer(t, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proc := python(t, p, "FEDSCRAPE_URL=http://"+listener.Addr().String())
	proc.start(t)
	server := &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: time.Minute}
	var broken sync.WaitGroup
	broken.Go(func() { // breaks off twice, as a federator that is killed does, before it answers
		for range 2 {
			if conn, err := listener.Accept(); err == nil {
				_ = conn.Close()
			}
		}
		_ = server.Serve(listener)
	})
	defer broken.Wait()
	defer func() { _ = server.Close() }()
	if _, err := proc.end(t); err != nil {
		t.Error(err)
	}
	if finals := p.of("final"); len(finals) != 1 || !strings.HasSuffix(finals[0].body, "# EOF\n") {
		t.Errorf("finals: %+v", finals)
	}
}

func TestBudgetIsASecond(t *testing.T) {
	if budget := python(t, newPeer(t, nil), ownBudget).do(t, "fw.BUDGET"); budget != "1.0" {
		t.Errorf("start and exit wait %s s at most", budget)
	}
}

func TestNothingHoldsUpStartOrExit(t *testing.T) {
	f := func(name string, whenStarting, whenExiting func(call) int, story, logged string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, whenStarting)
			proc := python(t, p, hanging)
			proc.do(t, "fw.TTL = 180") // the agent has a third of it
			begin := time.Now()
			proc.start(t)
			if took := time.Since(begin); took > hangingBudget+slack {
				t.Errorf("start took %s", took)
			}
			id := proc.do(t, "w.service_id")
			p.script(whenExiting)
			if took, err := proc.end(t); err != nil || took > hangingBudget+slack {
				t.Errorf("exit took %s and says %v", took, err)
			}
			if got := p.story(id); !strings.HasPrefix(got, "register ") || !strings.HasSuffix(got, story) {
				t.Errorf("calls: %s, want %s", got, story)
			}
			if log := proc.stderr.String(); !strings.Contains(log, logged) || strings.Contains(log, "Traceback") {
				t.Errorf("log, want %q:\n%s", logged, log)
			}
		})
	}
	f("agent hangs", only("register", hang), nil, "final deregister", "")
	f("agent hangs for good", only("register", hang), only("deregister", hang), "final deregister", "")
	f("agent talks garbage", always(garbage), nil, "final deregister", "no HTTP answer")
	f("agent refuses", always(500), nil, "final deregister", "answers 500: scripted")
	f("agent forbids", only("register", 403), nil, "final deregister", "answers 403")
	f("federator hangs", nil, only("final", hang), "final deregister", "hand in the final snapshot: ")
	f("federator talks garbage", nil, only("final", garbage), "final deregister", "final: no HTTP answer")
	f("federator refuses", nil, only("final", 413), "final deregister", "/api/v1/final answers 413: scripted")
	f("all hang", nil, always(hang), "final deregister", "")
}

func TestNobodyListens(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p, hanging, "CONSUL_HTTP_ADDR=127.0.0.1:1", "FEDSCRAPE_URL=http://127.0.0.1:1")
	proc.do(t, "fw.TTL = 180")
	begin := time.Now()
	url := proc.start(t)
	if took := time.Since(begin); took > hangingBudget+slack {
		t.Errorf("start took %s", took)
	}
	fetch(t, http.MethodGet, url, nil)
	if took, err := proc.end(t); err != nil || took > hangingBudget+slack {
		t.Errorf("exit took %s and says %v", took, err)
	}
}

func TestAgentThatComesLater(t *testing.T) {
	p := newPeer(t, always(500))
	proc := python(t, p)
	proc.do(t, "fw.TTL = 0.15")
	proc.start(t)
	p.script(nil)
	p.await(t, "pass", 1)
}

func TestCollectorThatHangsDoesNotHoldUpExit(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p, hanging)
	proc.start(t)
	proc.do(t, `class Stuck:
  def describe(self): return []
  def collect(self): threading.Event().wait()
prometheus_client.REGISTRY.register(Stuck())`)
	if took, err := proc.end(t); err != nil || took > hangingBudget+slack {
		t.Errorf("exit took %s and says %v", took, err)
	}
}

func TestSignalsInTheMiddleOfTheGoodbye(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	proc.do(t, "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))") // as gunicorn's handlers do
	proc.start(t)
	id := proc.do(t, "w.service_id")
	p.script(func(c call) int {
		if c.what == "final" {
			_ = proc.cmd.Process.Signal(syscall.SIGTERM)
			time.Sleep(100 * time.Millisecond) // the federator takes its time, so that the signal comes in the middle
		}
		return 0
	})
	_, err := proc.end(t)
	if story := p.story(id); err != nil || story != "register final deregister" || len(p.of("final")) != 1 {
		t.Errorf("exit %v, calls: %s", err, story)
	}
}
