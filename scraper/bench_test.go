package scraper

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	benchWorkers = 64
	benchPage    = 200_000
	// benchServer makes the test binary the workers, so that their CPU time is not counted with the client's.
	benchServer = "FEDSCRAPE_SCRAPER_BENCH_SERVER"
)

// serveBench answers every request with the same page until its standard input ends.
func serveBench() {
	page := strings.Repeat("http_requests_total{method=\"GET\",code=\"200\"} 12345\n", benchPage/50)[:benchPage]
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: " +
		strconv.Itoa(benchPage) + "\r\nX-Fedscrape-Worker: webapp-h-17-1\r\n\r\n" + page)
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				for r := bufio.NewReader(conn); ; {
					if _, err := readQuestion(r); err != nil {
						return
					}
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func startBench(b *testing.B) (address string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchServer+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// round asks all workers at once.
func round(b *testing.B, fetch func(worker int) error) {
	b.Helper()
	var wg sync.WaitGroup
	for i := range benchWorkers {
		wg.Go(func() {
			if err := fetch(i); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
}

// viaClient reads pages and throws them away.
func viaClient(c *Client, address string) func(worker int) error {
	var urls [benchWorkers]string
	for i := range urls {
		urls[i] = fmt.Sprintf("http://%s/%d/metrics", address, i)
	}
	ctx, cancel := context.WithCancel(context.Background()) // one that can end, as a federator's
	_ = cancel
	return func(i int) error {
		return c.Fetch(ctx, urls[i], 0, func(r *Response) error {
			if n, err := r.CopyTo(io.Discard); err != nil || n != benchPage {
				return fmt.Errorf("%d bytes: %w", n, err)
			}
			return nil
		})
	}
}

// floor is the least that works: a socket a worker, and one reused buffer that takes head and page.
func floor(b *testing.B, address string) func(worker int) error {
	b.Helper()
	var conns [benchWorkers]net.Conn
	var bufs [benchWorkers][]byte
	for i := range conns {
		conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		conns[i], bufs[i] = conn, make([]byte, benchPage+4096)
	}
	question := []byte("GET /metrics HTTP/1.1\r\nHost: worker\r\n\r\n")
	return func(i int) error {
		if _, err := conns[i].Write(question); err != nil {
			return err
		}
		for have, end := 0, -1; ; {
			n, err := conns[i].Read(bufs[i][have:])
			if err != nil {
				return err
			}
			if have += n; end < 0 {
				end = bytes.Index(bufs[i][:have], []byte("\r\n\r\n"))
			}
			if end >= 0 && have == end+4+benchPage {
				return nil
			}
		}
	}
}

func benchClients(b *testing.B, address string) (plain, netHTTP func(int) error) {
	b.Helper()
	clients := [2]*Client{}
	for i := range clients {
		c, err := NewClient(NewOptions())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(c.Close)
		clients[i] = c
	}
	clients[0].http = &http.Client{Transport: tripper(func(*http.Request) (*http.Response, error) { return nil, io.EOF })}
	clients[1].plain = nil
	return viaClient(clients[0], address), viaClient(clients[1], address)
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFetch is one round of 64 workers with pages of 200 KB: through both clients, and the floor below them.
func BenchmarkFetch(b *testing.B) {
	address := startBench(b)
	plain, netHTTP := benchClients(b, address)
	for _, bb := range []struct {
		name  string
		fetch func(int) error
	}{{"floor", floor(b, address)}, {"plain", plain}, {"net-http", netHTTP}} {
		b.Run(bb.name, func(b *testing.B) {
			round(b, bb.fetch)
			b.SetBytes(benchWorkers * benchPage)
			b.ReportAllocs()
			begun := cpuTime(b)
			for b.Loop() {
				round(b, bb.fetch)
			}
			b.ReportMetric(float64(cpuTime(b)-begun)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkFetchRatio takes turns, so that whatever else the machine does troubles all alike.
func BenchmarkFetchRatio(b *testing.B) {
	address := startBench(b)
	plain, netHTTP := benchClients(b, address)
	ways := [3]func(int) error{floor(b, address), plain, netHTTP}
	var wall, cpu [3]time.Duration
	for _, fetch := range ways {
		round(b, fetch)
	}
	for b.Loop() {
		for i, fetch := range ways {
			begun, used := time.Now(), cpuTime(b)
			round(b, fetch)
			wall[i] += time.Since(begun)
			cpu[i] += cpuTime(b) - used
		}
	}
	for i, name := range []string{"", "plain", "net-http"} {
		if i > 0 {
			b.ReportMetric(float64(wall[i])/float64(wall[0]), name+"/floor")
			b.ReportMetric(float64(cpu[i])/float64(cpu[0]), name+"-cpu/floor")
		}
	}
}
