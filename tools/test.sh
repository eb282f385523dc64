#!/usr/bin/env bash
# Runs all tests with the race detector. What was skipped is named at the end, so that nobody takes it for passed; with
# FEDSCRAPE_FORBID_SKIP set it is a failure. Arguments are passed on to go test.
set -uo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Each test's verdict and each package's; what the tests themselves say only where they fail.
go test -race -timeout 20m -v "$@" ./... 2>&1 | tee "$log" | grep --line-buffered -E '^(ok|FAIL|panic:|--- )|^[[:space:]]+--- (FAIL|SKIP)|DATA RACE'
status=${PIPESTATUS[0]}

count() { grep -cE "^[[:space:]]*--- $1" "$log"; }
passed=$(count PASS) failed=$(count FAIL) skipped=$(count SKIP)
if [ "$status" -ne 0 ]; then
	echo "---- the end of the failing run:"
	tail -n 3000 "$log"
fi
if [ "$skipped" -gt 0 ]; then
	echo
	echo "SKIPPED, NOT PASSED:"
	# The reason stands before the verdict, under the test's name.
	awk '/^=== / { test = $3; next } /^[[:space:]]*--- SKIP/ { print; printf "%s", said[$3] } /^[[:space:]]*---/ { test = "" } { said[test] = said[test] $0 "\n" }' "$log"
	if [ -n "${FEDSCRAPE_FORBID_SKIP:-}" ]; then status=1; fi
fi
if [ "$passed" -eq 0 ]; then
	echo "no test has run" >&2
	status=1
fi
grep -E '^(ok|FAIL)[[:space:]]' "$log"
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
