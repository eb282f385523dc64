package registry

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds on slow clients. A blocked query may wait for longer: its time counts from the answer on.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second
	writeTimeout  = time.Minute
	idleTimeout   = 5 * time.Minute
	maxHeader     = 64 << 10
)

// HTTPServer gives a server of the Handler with the limits on connections that the Handler alone cannot have.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ConnContext: s.clients.enter, ConnState: s.clients.leave,
	}
}

// clients counts the connections of each client IP. It may be used concurrently.
type clients struct {
	limit int

	mu   sync.Mutex
	open map[string]int
}

type surplusKey struct{}

// enter counts a new connection. One above the limit is told so when it asks; at twice the limit it is closed unheard.
func (c *clients) enter(ctx context.Context, conn net.Conn) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	ip := clientIP(conn)
	c.open[ip]++
	if c.open[ip] > 2*c.limit {
		_ = conn.Close() // its server notices, and tells leave
	}
	return context.WithValue(ctx, surplusKey{}, c.open[ip] > c.limit)
}

func (c *clients) leave(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ip := clientIP(conn)
	if c.open[ip]--; c.open[ip] <= 0 {
		delete(c.open, ip)
	}
}

func clientIP(conn net.Conn) string {
	address := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// refuse tells whether the connection is above the limit, and says so.
func (c *clients) refuse(w http.ResponseWriter, r *http.Request) bool {
	if surplus, _ := r.Context().Value(surplusKey{}).(bool); !surplus {
		return false
	}
	w.Header().Set("Connection", "close")
	writeError(w, fail(http.StatusTooManyRequests, "too many connections from this address, the limit is %d: keep connections and share them", c.limit))
	return true
}

// limitTimes bounds how long a body may take to come and an answer to go; answering has the answer's time begin anew.
// Connections that know no deadlines have none.
func limitTimes(w http.ResponseWriter, r *http.Request) (answering func()) {
	control := http.NewResponseController(w)
	answering = func() {
		_ = control.SetReadDeadline(time.Time{})
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	answering()
	if r.Method != http.MethodGet {
		// A deadline that passes while a query blocks would end it, so queries have none: nothing of theirs is read.
		_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	}
	return answering
}
