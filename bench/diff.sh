#!/usr/bin/env bash
# Compares the Go benchmarks of a commit with those of the working tree: bench/diff.sh COMMIT BENCHMARKS PACKAGE...
# The two take turns, so that what else the machine does meets both. COUNT (6) is how often each runs.
set -euo pipefail

cd "$(dirname "$0")/.."
if [ $# -lt 3 ] || [ -z "$1" ]; then
	echo "usage: make bench-diff OLD=COMMIT [BENCH=REGEXP] [PACKAGES='./PACKAGE ...'] [COUNT=6]" >&2
	exit 2
fi
commit=$(git rev-parse --verify --short "$1^{commit}") benchmarks=$2
shift 2
benchstat=$(tools/build.sh benchstat)
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
mkdir "$temporary/tree" "$temporary/old" "$temporary/new"
git archive "$commit" | tar -x -C "$temporary/tree"

build() { # into the folder $1, from the tree $2, the packages after them
	local into=$1 tree=$2 package
	shift 2
	for package in "$@"; do
		(cd "$tree" && go test -c -o "$into/$(echo "$package" | tr / _).test" "$package")
	done
}
build "$temporary/old" "$temporary/tree" "$@"
build "$temporary/new" "$PWD" "$@"

run() { # the benchmarks of the folder $1 within the tree $2
	local package
	for package in "${packages[@]}"; do
		test=$temporary/$1/$(echo "$package" | tr / _).test
		if [ -x "$test" ]; then # no tests, no binary
			(cd "$2/$package" && "$test" -test.run '^$' -test.bench "$benchmarks" -test.benchmem) >>"$temporary/$1.txt"
		fi
	done
}
packages=("$@")
for ((i = 0; i < ${COUNT:-6}; i++)); do
	run old "$temporary/tree"
	run new "$PWD"
done
"$benchstat" "$commit=$temporary/old.txt" "tree=$temporary/new.txt"
