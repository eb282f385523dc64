#!/usr/bin/env bash
# Builds a tool that the tests need into the cache, where it is not there yet: tools/build.sh consul|prometheus|promtool|golangci-lint|benchstat
# Each is a Go tool pinned in a module of its own. Prints the path of the binary.
set -euo pipefail

cd "$(dirname "$0")"
case "${1:-}" in
consul) module=github.com/hashicorp/consul package=$module folder=consul ;;
prometheus) module=github.com/prometheus/prometheus package=$module/cmd/prometheus folder=prometheus ;;
promtool) module=github.com/prometheus/prometheus package=$module/cmd/promtool folder=prometheus ;;
benchstat) module=golang.org/x/perf package=$module/cmd/benchstat folder=benchstat ;;
golangci-lint) module=github.com/golangci/golangci-lint/v2 package=$module/cmd/golangci-lint folder=golangci-lint ;;
*)
	echo "usage: $0 consul|prometheus|promtool|golangci-lint|benchstat" >&2
	exit 2
	;;
esac

cd "$folder"
version=$(go list -m -f '{{.Version}}' "$module")
if [ "$1" = consul ]; then version=${version#v}; fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fedscrape
binary=$cache/$1-$version
if [ ! -x "$binary" ]; then
	echo "building $1 $version (once; minutes) ..." >&2
	mkdir -p "$cache"
	temporary=$(mktemp "$cache/.$1-XXXXXX")
	trap 'rm -f "$temporary"' EXIT
	go build -trimpath -ldflags '-s -w' -o "$temporary" "$package"
	chmod 755 "$temporary"
	mv "$temporary" "$binary"
fi
echo "$binary"
