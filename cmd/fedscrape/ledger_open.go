package main

import (
	"log/slog"

	"github.com/fedscrape/fedscrape/ledger"
)

// openLedger takes the ledger's directory for this process.
func openLedger(path string, logger *slog.Logger) (ledger.Ledger, error) {
	if path == "" {
		logger.Warn("The ledger is in memory: a restart of the federator resets merged counters to what present workers show; give a --ledger.path")
		return ledger.NewMemory(), nil
	}
	disk, err := ledger.Open(path, logger)
	if err != nil {
		return nil, err
	}
	return disk, nil
}
