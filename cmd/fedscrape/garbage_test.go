package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGrowth(t *testing.T) {
	for live, want := range map[uint64]int{
		0: mostGrowth, 1 << 20: mostGrowth, headroom / 2: mostGrowth, headroom: 100, 16 << 20: 75, 2 * headroom: 50, 4 * headroom: leastGrowth, 1 << 40: leastGrowth,
	} {
		if got := growthFor(live); got != want {
			t.Errorf("%d bytes may grow by %d %%, want %d", live, got, want)
		}
	}
}

func TestRegulate(t *testing.T) {
	before := debug.SetGCPercent(startGrowth)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	c := &collector{growth: startGrowth}
	c.regulate()
	if set := debug.SetGCPercent(startGrowth); set != c.growth || set < leastGrowth || set > mostGrowth {
		t.Errorf("growth is %d, and set to %d", c.growth, set)
	}
}

func TestAfterEachCollection(t *testing.T) {
	called := make(chan bool, 100)
	afterEachCollection(func() { called <- true })
	for i := range 3 {
		runtime.GC()
		select {
		case <-called:
		case <-time.After(30 * time.Second):
			t.Fatalf("nothing was called after collection %d", i)
		}
	}
}
