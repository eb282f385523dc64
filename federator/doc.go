// Package federator owns instances: which workers an instance has, when they are scraped, which of them are up, and
// what becomes of those that depart. It scrapes through scraper, reads through exposition, adds up through merge.
//
// # Guarantees
//
// No worker can spoil a page for the others: each is fetched on its own, with its own deadline, into a stage that
// counts only whole. A departure is settled before any page shows it.
package federator
