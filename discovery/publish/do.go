package publish

import (
	"context"
	"sync"
	"time"
)

// atOnce is how many requests an agent gets at a time: it takes 200 connections from one client address, and workers of
// this host need theirs.
const atOnce = 4

// doing is the way through one list of actions.
type doing struct {
	*connection
	cancel context.CancelFunc

	mu  sync.Mutex // guards entries too, while it lasts
	err error
}

// do works through the list, and gives up where others would fare as badly. It returns when all requests have ended.
func (c *connection) do(ctx context.Context, actions []action) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &doing{connection: c, cancel: cancel}
	todo := make(chan action)
	var group sync.WaitGroup
	for range min(atOnce, len(actions)) {
		group.Go(func() {
			for a := range todo {
				d.failed(ctx, d.one(ctx, a))
			}
		})
	}
	for _, a := range actions {
		if ctx.Err() != nil {
			break
		}
		todo <- a
	}
	close(todo)
	group.Wait()
	return d.result(ctx)
}

func (d *doing) failed(ctx context.Context, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil || ctx.Err() != nil && d.err != nil {
		return // cancelled by the error that there is
	}
	d.err = worst(d.err, err)
	if isGeneral(err) {
		d.cancel()
	}
}

// result tells a list that was cut short by its time from one that is done.
func (d *doing) result(ctx context.Context) error {
	if d.err != nil {
		return d.err
	}
	return ctx.Err()
}

func (d *doing) one(ctx context.Context, a action) error {
	switch a.step {
	case register:
		return d.register(ctx, a)
	case heartbeat:
		return d.heartbeat(ctx, a)
	default:
		return d.deregister(ctx, a)
	}
}

// register notes the service first: a request that is cut off may have reached the agent.
func (d *doing) register(ctx context.Context, a action) error {
	d.note(a.id, &entry{})
	if err := d.agent.register(ctx, a.registration); err != nil {
		return err
	}
	d.note(a.id, &entry{registered: a.registration, beat: time.Now()})
	return nil
}

// heartbeat registers anew what the agent has lost. What was left by an earlier run and is lost since is not ours to
// bring back.
func (d *doing) heartbeat(ctx context.Context, a action) error {
	known, err := d.agent.pass(ctx, a.id)
	switch {
	case err != nil:
		return err
	case known:
		d.note(a.id, &entry{registered: a.registration, beat: time.Now()})
		return nil
	case a.registration == nil:
		d.note(a.id, nil)
		return nil
	default:
		return d.register(ctx, a)
	}
}

func (d *doing) deregister(ctx context.Context, a action) error {
	if err := d.agent.deregister(ctx, a.id); err != nil {
		return err
	}
	d.note(a.id, nil)
	return nil
}

func (d *doing) note(id string, e *entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e == nil {
		delete(d.entries, id)
		return
	}
	d.entries[id] = e
}
