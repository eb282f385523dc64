package federator

import (
	"runtime"
	"sync"
)

// maxIdle goroutines wait for more to do.
const maxIdle = 512

// crew runs functions on goroutines that are used again: the stack of a new one is copied as it grows, and let go at its
// end, which takes as long as to read some hundred lines. It is safe for concurrent use.
type crew struct {
	group  sync.WaitGroup
	mu     sync.Mutex
	idle   []chan func() // of those that wait; the last one has the warmest stack
	closed bool
}

// run runs a function beside the caller. After close only those that still run may call it.
func (c *crew) run(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.idle)
	if n == 0 {
		c.group.Go(func() { c.work(do) })
		return
	}
	c.idle[n-1] <- do // it has room: who waits has nothing to do
	c.idle = c.idle[:n-1]
}

func (c *crew) work(do func()) {
	growStack()
	next := make(chan func(), 1)
	for do != nil {
		if do(); !c.rest(next) {
			return
		}
		do = <-next
	}
}

// rest says that who listens to next has nothing to do; false where it is not needed any more.
func (c *crew) rest(next chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.idle) >= maxIdle {
		return false
	}
	c.idle = append(c.idle, next)
	return true
}

// close waits until all functions have ended.
func (c *crew) close() {
	c.mu.Lock()
	c.closed = true
	for _, next := range c.idle {
		close(next)
	}
	c.idle = nil
	c.mu.Unlock()
	c.group.Wait()
}

// growStack makes room for all that a fetch calls, in one step: a stack that grows deep down is copied frame by frame,
// again and again.
//
//go:noinline
func growStack() {
	var room [12 << 10]byte
	runtime.KeepAlive(&room)
}
