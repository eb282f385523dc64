package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// How much a heap may grow before garbage is collected, in percent of what it holds. What is kept of many workers' pages
// should not be there twice; but a heap of some megabytes, which so little would have collected every few pages, may grow
// by headroom.
const (
	leastGrowth = 30
	mostGrowth  = 200
	headroom    = 12 << 20
)

// growthFor gives the percentage for a heap that holds so many bytes.
func growthFor(live uint64) int {
	return int(min(mostGrowth, max(leastGrowth, headroom*100/max(live, 1)))) //nolint:gosec // at most mostGrowth
}

// Almost all that a first round allocates stays: no garbage is looked for before a heap has 4 MiB times startGrowth percent, 32 MiB.
// One that stays below that is treated like any other soon after: other instances may be in their first rounds still.
const (
	startGrowth = 800
	startRest   = 500 * time.Millisecond
)

// collectGarbage sees to it that garbage is collected in time, where the environment does not say when. What it gives is to be called
// when a first round has ended.
func collectGarbage() (firstRound func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	c := &collector{growth: startGrowth}
	debug.SetGCPercent(startGrowth)
	afterEachCollection(c.regulate)
	return func() { time.AfterFunc(startRest, c.regulate) }
}

// collector sets when garbage is collected.
type collector struct {
	mu     sync.Mutex
	growth int
}

// regulate sets the percentage for what the last collection left.
func (c *collector) regulate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	// Each change stops all goroutines for a moment.
	if wanted := growthFor(live[0].Value.Uint64()); wanted < c.growth*9/10 || wanted > c.growth*11/10 {
		c.growth = wanted
		debug.SetGCPercent(wanted)
	}
}

// collected is large enough not to share its memory with others.
type collected struct{ _ [64]byte }

// afterEachCollection calls f after each garbage collection, one call after another, on the runtime's own goroutine.
func afterEachCollection(f func()) {
	runtime.SetFinalizer(new(collected), func(*collected) {
		f()
		afterEachCollection(f)
	})
}
