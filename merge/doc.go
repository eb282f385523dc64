// Package merge is the fold: it makes what many incarnations of an instance's workers say into what one process
// would say.
//
// # The law
//
// For every cumulative line (counters; buckets, sums and counts of histograms; sums and counts of summaries)
//
//	merged = ledger + sum over incarnations of (offset + last)
//
// where last is the line's value in the incarnation's last snapshot, offset is what it counted before its own resets
// and removals, and the ledger is what folded incarnations left. Moving a term from one place to another does not
// change the sum, so a merged line never falls: not when a worker dies, resets, removes a label set, or returns.
// The fold is commutative and associative over workers, and a single worker's page passes through unchanged in
// meaning.
//
// # Buckets
//
// Workers may disagree on a histogram's bounds. What a page says is cumulative over the page's own bounds; what is
// kept in offsets and in the ledger is the count between neighbouring bounds, which adds up whatever the bounds are.
// A page that lacks a bound counts there with its next lower one.
//
// # What survives
//
// Save gives what is not of present workers as records, AppendHead and Say what is, with each page that is shown,
// and Restore makes of both what was shown last. Nothing but the clocks and the exemplars, which are in memory alone, tells
// a fold that was restored from one that lived on.
//
// # Limits
//
// Nothing here does I/O, leaves a goroutine behind or reads a clock: time comes in. Sums are kept as unevaluated pairs of
// floats (about 106 bits), so that they do not depend on the order of workers.
package merge
