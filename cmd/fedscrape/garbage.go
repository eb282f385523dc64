package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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

// collectGarbage sees to it that garbage is collected in time, where the environment does not say when.
func collectGarbage() {
	if os.Getenv("GOGC") != "" {
		return
	}
	growth := mostGrowth
	debug.SetGCPercent(growth)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	afterEachCollection(func() {
		metrics.Read(live)
		// Each change stops all goroutines for a moment.
		if wanted := growthFor(live[0].Value.Uint64()); wanted < growth*9/10 || wanted > growth*11/10 {
			growth = wanted
			debug.SetGCPercent(growth)
		}
	})
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
