#!/usr/bin/env bash
# Runs all tests with the race detector and names at the end what was skipped and why, so that nobody takes it for
# passed. With FEDSCRAPE_FORBID_SKIP set a skip is a failure.
set -uo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A line for each test; their own chatter is left out. Nothing is taken from the cache: it does not know Consul,
# Prometheus and Python.
suite() {
	go test -race -count=1 -timeout 20m "$@" -v ./...
	local status=$?
	# What machines without assembly of ours run.
	go test -count=1 -timeout 20m -tags purego "$@" -v ./exposition && return "$status"
}
suite "$@" 2>&1 | tee "$log" |
	grep --line-buffered -E '^(ok|FAIL|panic:|--- )|^[[:space:]]+--- FAIL|DATA RACE'
status=${PIPESTATUS[0]}

# Of a package that failed, everything: go test ends each package's output with its line.
if [ "$status" -ne 0 ]; then
	echo "---- the whole output of the packages that failed:"
	awk '{ text = text $0 "\n" } /^ok[[:space:]]/ { text = "" } /^FAIL[[:space:]]/ { printf "%s", text; text = "" } END { printf "%s", text }' "$log"
fi

# A test's messages come before its line, other tests' between them: the last message of a skipped test is the reason.
skips=$(awk '
	/^=== (RUN|CONT|NAME)/ { test = $3; next }
	/^[[:space:]]*--- SKIP: / { skipped[++n] = $3; next }
	/^[[:space:]]+[^[:space:]]+\.go:[0-9]+: / { reason[test] = "" }
	/^[[:space:]]/ { sub(/^[[:space:]]+/, ""); reason[test] = reason[test] " " $0 }
	/^(ok|FAIL)[[:space:]]/ {
		for (i = 1; i <= n; i++) print $2 " " skipped[i] ":" reason[skipped[i]]
		n = 0
		split("", reason)
	}' "$log")
if [ -n "$skips" ]; then
	printf '\nSKIPPED, NOT PASSED:\n%s\n\n' "$skips"
	if [ -n "${FEDSCRAPE_FORBID_SKIP:-}" ] && [ "$status" -eq 0 ]; then
		echo "FEDSCRAPE_FORBID_SKIP is set: a skip is a failure"
		status=1
	fi
fi
count() { grep -cE "^[[:space:]]*--- $1: " "$log"; }
echo "$(count PASS) passed, $(count FAIL) failed, $(count SKIP) skipped"
exit "$status"
