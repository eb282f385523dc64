// Package scraper gets bytes from workers: one HTTP request each, with every limit that keeps one bad worker from
// harming the rest.
//
// # The law
//
// A scrape ends by its deadline, whatever the worker does, and takes no more memory than its reader does: bodies are
// streamed, never collected here. Every scrape that fails is an *Error, whose text a person can act on and which never
// holds a secret or the worker's URL.
//
// # The limits
//
// Headers are bounded (64 KB, or net/http's 10 MB), bodies by body_size_limit, both as sent and as decoded. What a body
// says is not looked at: sample_limit and the label limits are kept by whoever reads it.
//
// # The two clients
//
// What a job's options leave at plain http is asked by a client of our own, which reads a body from the connection into
// its reader's memory. TLS, authentication, proxies, redirects and header files are net/http's. Both send the same bytes
// and understand the same answers; FuzzResponse knows the one exception: of our own, a header whose name has a space
// in it fails the scrape, where net/http does not see the header.
package scraper
