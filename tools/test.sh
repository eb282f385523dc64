#!/usr/bin/env bash
# Runs all tests with the race detector and names at the end what was skipped, so that nobody takes it for passed.
set -uo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT
go test -race -timeout 20m "$@" -v ./... >"$log" 2>&1
status=$?
# Whole packages without test files and the chatter of passing tests are left out; failures are shown whole.
grep -E '^(ok|FAIL|panic:|---? FAIL|[[:space:]]+--- FAIL)|^(PASS|FAIL)$|DATA RACE' "$log" || true
if [ $status -ne 0 ]; then
	echo "---- the whole output of the failing run:"
	tail -n 3000 "$log"
fi
skipped=$(grep -cE '^[[:space:]]*--- SKIP' "$log")
passed=$(grep -cE '^[[:space:]]*--- PASS' "$log")
failed=$(grep -cE '^[[:space:]]*--- FAIL' "$log")
if [ "$skipped" -gt 0 ]; then
	echo
	echo "SKIPPED, NOT PASSED:"
	grep -A3 -E '^[[:space:]]*--- SKIP' "$log"
fi
echo "$passed passed, $failed failed, $skipped skipped"
exit $status
