package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fleet are the workers of a soak, all in this process: one listener, and for each life of a worker an address of its own
// out of 127.0.0.0/8, so that sixteen thousand of them need no more file descriptors than connections.
type fleet struct {
	federator, registry string
	port                int
	server              *http.Server
	served              sync.WaitGroup

	mu    sync.Mutex
	lives map[netip.Addr]*scripted
	next  netip.Addr
	// counted is what the lives of an instance have counted together.
	counted map[string]int
}

// scripted is one life of a worker. The fleet's lock guards it.
type scripted struct {
	id, instance string
	slot         int
	addr         netip.Addr
	start        float64
	count        int
	over         bool
	conns        map[net.Conn]bool
}

func startFleet(t *testing.T, f *federator) *fleet {
	t.Helper()
	fl := &fleet{
		federator: f.url, registry: "http://" + f.registry, lives: map[netip.Addr]*scripted{}, counted: map[string]int{},
		next: netip.MustParseAddr("127.16.0.0"),
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		// Every address of the machine, but of the loopback interface alone.
		if e := raw.Control(func(fd uintptr) { err = syscall.BindToDevice(int(fd), "lo") }); e != nil {
			return e
		}
		return err
	}}
	listener, err := config.Listen(t.Context(), "tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	fl.port = listener.Addr().(*net.TCPAddr).Port
	fl.server = &http.Server{Handler: fl, ConnState: fl.connState, ReadHeaderTimeout: time.Minute}
	fl.served.Go(func() { _ = fl.server.Serve(listener) })
	t.Cleanup(func() {
		_ = fl.server.Close()
		fl.served.Wait()
	})
	return fl
}

func localAddr(a net.Addr) netip.Addr { return a.(*net.TCPAddr).AddrPort().Addr().Unmap() }

// connState notes whose the connections are: they end with their worker, as a process' do.
func (fl *fleet) connState(c net.Conn, state http.ConnState) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	w := fl.lives[localAddr(c.LocalAddr())]
	switch {
	case w == nil || w.over:
		_ = c.Close()
	case state == http.StateNew:
		w.conns[c] = true
	case state == http.StateClosed:
		delete(w.conns, c)
	}
}

// ServeHTTP answers as the worker at that address. Each page counts one.
func (fl *fleet) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	addr := localAddr(r.Context().Value(http.LocalAddrContextKey).(net.Addr))
	fl.mu.Lock()
	w := fl.lives[addr]
	if w == nil || w.over {
		fl.mu.Unlock()
		http.Error(rw, "nobody lives here", http.StatusNotFound)
		return
	}
	page := fl.page(w)
	fl.mu.Unlock()
	w.header(rw.Header())
	_, _ = rw.Write(page)
}

func (w *scripted) header(h http.Header) {
	h.Set("Content-Type", "text/plain; version=0.0.4")
	h.Set("X-Fedscrape-Worker", w.id)
	h.Set("X-Fedscrape-Start", fmt.Sprint(w.start))
}

// page counts one and renders: a counter and a histogram by view, and the process' own.
func (fl *fleet) page(w *scripted) []byte {
	w.count++
	fl.counted[w.instance]++
	var b bytes.Buffer
	fmt.Fprintf(&b, "# TYPE reqs_total counter\nreqs_total{view=\"fire\"} %d\n", w.count)
	for i := range 20 {
		fmt.Fprintf(&b, "reqs_total{view=\"view%d\"} %d\n", i, w.count*(i+1))
	}
	b.WriteString("# TYPE latency_seconds histogram\n")
	for i := range 3 {
		for j := range 11 {
			fmt.Fprintf(&b, "latency_seconds_bucket{view=\"view%d\",le=\"%d.0\"} %d\n", i, j, w.count*j)
		}
		fmt.Fprintf(&b, "latency_seconds_bucket{view=\"view%[1]d\",le=\"+Inf\"} %[2]d\nlatency_seconds_sum{view=\"view%[1]d\"} %[2]d.5\nlatency_seconds_count{view=\"view%[1]d\"} %[2]d\n", i, w.count*10)
	}
	fmt.Fprintf(&b, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %f\n", w.start)
	fmt.Fprintf(&b, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %d\n", 50_000_000+w.count)
	return b.Bytes()
}

// begin lets a worker live, and registers it.
func (fl *fleet) begin(ctx context.Context, instance string, slot int) (*scripted, error) {
	fl.mu.Lock()
	fl.next = fl.next.Next()
	w := &scripted{
		id: fmt.Sprintf("webapp-%s-%d-%s", instance, slot, fl.next), instance: instance, slot: slot, addr: fl.next,
		start: float64(time.Now().UnixMilli()) / 1000, conns: map[net.Conn]bool{},
	}
	fl.lives[w.addr] = w
	fl.mu.Unlock()
	body, err := json.Marshal(map[string]any{
		"Name": "webapp", "ID": w.id, "Address": w.addr.String(), "Port": fl.port, "Tags": []string{"fedscrape"},
		"Meta": map[string]string{"instance": instance, "worker_id": strconv.Itoa(slot), "start_time": fmt.Sprint(w.start)},
	})
	if err != nil {
		return nil, err
	}
	return w, put(ctx, fl.registry+"/v1/agent/service/register", nil, string(body))
}

// end has a worker say goodbye.
func (fl *fleet) end(ctx context.Context, w *scripted) error {
	fl.mu.Lock()
	page := fl.page(w)
	w.over = true
	fl.mu.Unlock()
	header := http.Header{}
	w.header(header)
	if err := put(ctx, fl.federator+"/api/v1/final?job=webapp&instance="+w.instance, header, string(page)); err != nil {
		return err
	}
	if err := put(ctx, fl.registry+"/v1/agent/service/deregister/"+w.id, nil, ""); err != nil {
		return err
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	delete(fl.lives, w.addr)
	for c := range w.conns {
		_ = c.Close()
	}
	return nil
}

func (fl *fleet) truth(instance string) int {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.counted[instance]
}

func put(ctx context.Context, url string, header http.Header, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	maps.Copy(req.Header, header)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %d %s", url, resp.StatusCode, text)
	}
	return err
}
