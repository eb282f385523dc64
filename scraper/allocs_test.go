//go:build !race

package scraper

// maxAllocs of a scrape: what the watch over the context, the exchange, the body and the response take.
const maxAllocs = 5.0
