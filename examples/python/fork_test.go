package python_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestForkedChildIsNoWorker(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	proc.start(t)
	id := proc.do(t, "w.service_id")
	// The child closes the worker it has inherited and ends by sys.exit, which runs the parent's atexit in it.
	proc.do(t, `
pid = os.fork()
if not pid:
  begin = time.monotonic()
  w.close()
  sys.exit(3 if time.monotonic() - begin < 5 else 4)
status = os.waitpid(pid, 0)[1]`)
	if status := proc.do(t, "status >> 8"); status != "3" {
		t.Errorf("the child ended with %s", status)
	}
	if story := p.story(id); story != "register" {
		t.Errorf("calls: %s", story)
	}
	if _, err := proc.end(t); err != nil || p.story(id) != "register final deregister" {
		t.Errorf("exit %v, calls: %s", err, p.story(id))
	}
}

func TestForkedChildStartsAnew(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	proc.start(t)
	proc.do(t, metrics+"c.labels('x').inc(5)")
	proc.do(t, `
pid = os.fork()
if not pid:
  c.labels('x').inc()
  v = fw.start('webapp', instance='web1:8000')
  sys.exit(0 if v is not w and v.service_id != w.service_id else 1)
status = os.waitpid(pid, 0)[1]`)
	if status := proc.do(t, "status"); status != "0" {
		t.Errorf("the child ended with %s", status)
	}
	child := parseRegistration(t, p.await(t, "register", 2))
	if child.Meta["worker_id"] != "1" || child.Meta["pid"] == parseRegistration(t, p.of("register")[0]).Meta["pid"] {
		t.Errorf("the child's registration: %+v", child)
	}
	if story := p.story(child.ID); story != "register final deregister" {
		t.Errorf("the child's calls: %s", story)
	}
	page := p.of("final")[0].body
	if !strings.Contains(page, `reqs_total{view="x"} 1.0`) || !strings.Contains(page, "\nlat_count 0.0\n") ||
		!strings.Contains(page, "\ninprogress 2.0\n") {
		t.Errorf("the child's page has what its parent counted:\n%s", page)
	}
}

func TestForkedChildHoldsNothingOfItsParent(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	proc.start(t)
	addr := "127.0.0.1:" + proc.do(t, "w.port")
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write([]byte("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))
	_, _ = conn.Read(make([]byte, 1)) // the connection has its thread now, and stays open
	proc.do(t, `
if not os.fork():
  time.sleep(8)  # outlives its parent
  os._exit(0)`)
	proc.kill()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for buf := make([]byte, 1<<16); err == nil; {
		_, err = conn.Read(buf)
	}
	if ne, ok := err.(net.Error); ok && ne.Timeout() { //nolint:errorlint // as Read gives it
		t.Error("the child holds its parent's connection open")
	}
	if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", addr); err == nil {
		_ = conn.Close()
		t.Error("the child holds its parent's port open")
	}
	next := python(t, p)
	next.start(t)
	if id := parseRegistration(t, p.await(t, "register", 2)).Meta["worker_id"]; id != "0" {
		t.Errorf("slot %s: the child holds that of its parent", id)
	}
}

func TestForkWhileAPageIsRendered(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	url := proc.start(t)
	proc.do(t, metrics+`
class Slow:
  def describe(self): return []
  def collect(self):
    with c._lock: time.sleep(0.3)
    return []
prometheus_client.REGISTRY.register(Slow())`)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fetch(t, http.MethodGet, url, nil)
	}()
	proc.do(t, `
while not c._lock.locked(): time.sleep(0.001)
pid = os.fork()
if not pid:
  signal.alarm(30)
  c.labels('y').inc()
  os._exit(0)
status = os.waitpid(pid, 0)[1]`)
	<-done
	if status := proc.do(t, "status"); status != "0" {
		t.Errorf("the child ended with %s: it has inherited a lock that nobody releases", status)
	}
}

func TestMultiprocessingChildSaysGoodbye(t *testing.T) {
	p := newPeer(t, nil)
	proc := python(t, p)
	proc.do(t, `
import multiprocessing
context = multiprocessing.get_context('fork')
child = context.Process(target=lambda: fw.start('tasks'))
child.start()
child.join()`)
	id := p.await(t, "register", 1).id
	if story := p.story(id); story != "register final deregister" {
		t.Errorf("calls: %s", story)
	}
}
