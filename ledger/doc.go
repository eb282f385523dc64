// Package ledger keeps what must outlive its writer: bytes for keys. It does not know what a counter is.
//
// # The law
//
// A batch is applied whole or not at all. After Append has returned, Load gives its records: to this process for as
// long as the store is open, and where the store is durable to the next one.
//
// # Limits
//
// Memory is durable for nobody: it is what is left where there is no disk.
package ledger
