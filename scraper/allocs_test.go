//go:build !race

package scraper

// maxAllocs of a scrape: what the exchange, the body and the response take.
const maxAllocs = 3.0
