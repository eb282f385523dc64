package worker

import (
	"context"
	"errors"
	"strconv"
	"time"

	consulapi "github.com/hashicorp/consul/api"
)

// retryInterval is how long a worker that is not registered waits until it tries again, at most.
const retryInterval = time.Second

func (w *Worker) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go w.run(ctx)
}

// run registers and keeps registered until ctx ends.
func (w *Worker) run(ctx context.Context) {
	defer close(w.done)
	heartbeat := w.options.TTL / 3
	b := beat{worker: w}
	timer := time.NewTimer(0)
	defer timer.Stop()
	first := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		b.once(ctx, heartbeat)
		if first {
			first = false
			close(w.tried)
		}
		if b.registered {
			timer.Reset(heartbeat)
		} else {
			timer.Reset(min(heartbeat, retryInterval))
		}
	}
}

// beat is what the heartbeat knows. It belongs to one goroutine.
type beat struct {
	worker     *Worker
	registered bool
	trouble    string
}

// once sends one heartbeat, and registers where the agent does not know us.
func (b *beat) once(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, max(timeout, budget))
	defer cancel()
	err := b.try(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return // Close, not the agent
	}
	b.report(err)
}

func (b *beat) try(ctx context.Context) error {
	w := b.worker
	if b.registered {
		known, err := w.agent.pass(ctx, w.serviceID)
		if b.registered = known || err != nil; b.registered {
			return err
		}
	}
	err := w.agent.register(ctx, w.registration())
	b.registered = err == nil
	return err
}

// report logs what changed, not what goes on.
func (b *beat) report(err error) {
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	if trouble == b.trouble {
		return
	}
	b.trouble = trouble
	logger := b.worker.options.Logger.With("service_id", b.worker.serviceID, "agent", b.worker.options.Consul)
	if err != nil {
		logger.Warn("the agent does not take our registration or heartbeat", "err", err)
		return
	}
	logger.Info("the agent knows us again")
}

func (w *Worker) registration() *consulapi.AgentServiceRegistration {
	o := w.options
	return &consulapi.AgentServiceRegistration{
		Name:    o.Job,
		ID:      w.serviceID,
		Address: w.host,
		Port:    w.port,
		Tags:    []string{"fedscrape"},
		Meta: map[string]string{
			"instance": o.Instance, "worker_id": w.workerID, "pid": strconv.Itoa(o.PID),
			"start_time": formatSeconds(w.startTime), "metrics_path": o.MetricsPath, "scheme": o.Scheme,
		},
		Check: &consulapi.AgentServiceCheck{
			TTL:                            o.TTL.String(),
			Status:                         consulapi.HealthPassing,
			DeregisterCriticalServiceAfter: "1m",
		},
	}
}
