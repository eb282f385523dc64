//go:build race

package scraper

// maxAllocs is higher here: the race detector makes sync.Pool forget.
const maxAllocs = 9.0
