package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// budget is what Register, and Close, take at most. It is a variable for tests: on a busy machine a second is not long.
var budget = time.Second

// finalShare is how much of the budget the federator may take before the agent has its turn.
func finalShare() time.Duration { return budget * 6 / 10 }

// Worker is a registered worker. Its methods may be called from several goroutines.
type Worker struct {
	options   Options
	disabled  bool
	serviceID string
	workerID  string
	startTime float64 // Unix seconds
	host      string  // of the endpoint
	port      int

	agent       *agent
	federator   *http.Client
	server      *server // nil where the endpoint is served elsewhere
	releaseSlot func()

	cancel    context.CancelFunc
	tried     chan struct{} // closed after the first registration, good or bad
	done      chan struct{} // closed when the heartbeat has ended
	handedIn  atomic.Bool
	closeOnce sync.Once
	closeErr  error
}

// Register serves, where asked to, and registers; ctx bounds only the call, and the worker lives until Close. An agent
// that does not answer is no error: after one second Register returns and goes on in the background.
func Register(ctx context.Context, options Options) (*Worker, error) {
	if os.Getenv("FEDSCRAPE_DISABLE") == "1" {
		return &Worker{disabled: true}, nil
	}
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	w, err := open(ctx, options)
	if err != nil {
		return nil, err
	}
	w.start()
	select {
	case <-w.tried:
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, errors.Join(ctx.Err(), w.Close())
	}
	return w, nil
}

// open makes a worker that does not beat yet.
func open(ctx context.Context, options Options) (_ *Worker, err error) {
	w := &Worker{
		options:     options,
		releaseSlot: func() {},
		federator:   &http.Client{Transport: newTransport(), CheckRedirect: noRedirect},
		tried:       make(chan struct{}),
		done:        make(chan struct{}),
	}
	if w.startTime, err = startTime(options); err != nil {
		return nil, err
	}
	if w.serviceID, err = newServiceID(options); err != nil {
		return nil, err
	}
	if w.agent, err = newAgent(options); err != nil {
		return nil, err
	}
	if err = w.openEndpoint(ctx); err != nil {
		return nil, err
	}
	w.takeSlot()
	return w, nil
}

// newServiceID is never used twice: a successor that had its predecessor's would be deregistered by it.
func newServiceID(options Options) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("read the host's name: %w", err)
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%s-%s-%d-%s", options.Job, host, options.PID, hex.EncodeToString(random[:])), nil
}

func (w *Worker) openEndpoint(ctx context.Context) error {
	w.host, w.port = w.options.Address, w.options.Port
	if w.host == "" {
		var err error
		if w.host, err = localAddress(ctx, w.options.Consul); err != nil {
			return fmt.Errorf("find the address of the route to the agent: %w; set FEDSCRAPE_ADDRESS", err)
		}
	}
	if w.port != 0 {
		return nil
	}
	server, err := serve(ctx, w.host, w.handler())
	if err != nil {
		return err
	}
	w.server, w.port = server, server.port()
	return nil
}

func (w *Worker) takeSlot() {
	if w.workerID = w.options.WorkerID; w.workerID != "" {
		return
	}
	slot, release, err := takeSlot(w.options.Job, w.options.Instance)
	if err != nil {
		w.options.Logger.Warn("the service ID is the worker ID: no slot can be had", "err", err)
		w.workerID = w.serviceID
		return
	}
	w.workerID, w.releaseSlot = strconv.Itoa(slot), release
}

// ServiceID is the worker's in Consul, made once.
func (w *Worker) ServiceID() string { return w.serviceID }

// WorkerID is the worker's stable name in its instance.
func (w *Worker) WorkerID() string { return w.workerID }

// Addr is the endpoint's host and port as registered.
func (w *Worker) Addr() string { return net.JoinHostPort(w.host, strconv.Itoa(w.port)) }

// Handler adds to next's answers the headers that tell the federator who answers. It is for processes that serve the
// registered endpoint themselves.
func (w *Worker) Handler(next http.Handler) http.Handler {
	if w.disabled {
		return next
	}
	start := formatSeconds(w.startTime)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Fedscrape-Worker", w.serviceID)
		rw.Header().Set("X-Fedscrape-Start", start)
		next.ServeHTTP(rw, r)
	})
}

// Close hands in the final snapshot, where there is a Gatherer and none was handed in before, deregisters, and stops
// all that Register started, within one second. It may be called more than once.
func (w *Worker) Close() error {
	if w.disabled {
		return nil
	}
	w.closeOnce.Do(func() { w.closeErr = w.close() })
	return w.closeErr
}

func (w *Worker) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	w.cancel()
	<-w.done // a heartbeat that comes late would register again
	finalErr := w.closeFinal(ctx)
	err := w.agent.deregister(ctx, w.serviceID)
	if w.server != nil {
		w.server.close()
	}
	w.federator.CloseIdleConnections()
	w.agent.close()
	w.releaseSlot() // last: the successor that takes it must not meet us in the registry
	return errors.Join(finalErr, err)
}

func (w *Worker) closeFinal(ctx context.Context) error {
	if w.options.Gatherer == nil || w.options.FederatorURL == "" || w.handedIn.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, finalShare())
	defer cancel()
	return w.Final(ctx)
}

// formatSeconds is a time in Unix seconds as the headers and Consul's meta carry it.
func formatSeconds(seconds float64) string { return strconv.FormatFloat(seconds, 'f', -1, 64) }
