#!/bin/bash
# Runs fuzz targets: tests/fuzz/run.sh smoke|SECONDS PROGRAM...
# smoke: the seeds and a fixed number of inputs made from them, the same each time: part of CI.
# SECONDS: each target for that long, on one CPU; what it learns stays in build/fuzz/found for the
# next time. An input that breaks a target is kept in build/fuzz/broken: reduce it, and put it into
# tests/fuzz/corpus with the fix.
set -u
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
how=$1; shift
jobs=1
[ "$how" != smoke ] || jobs=$(nproc)
TMPDIR=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit 1
trap 'rm -rf "$TMPDIR"' EXIT
export TMPDIR build how
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1

# seeds_of NAME: its own folder, or the one that its first line names.
seeds_of() {
	local other
	other=$(sed -nE '1,/\*\//s/.*seeds: ([a-z]+).*/\1/p' "tests/fuzz/fuzz_$1.c" | head -1)
	echo "tests/fuzz/corpus/${other:-$1}"
}

one() {
	local name=${1##*/fuzz_} runs found
	local log=$TMPDIR/$name.log
	found=$build/fuzz/found/$name
	mkdir -p "$build/fuzz/broken" "$TMPDIR/$name"
	if [ "$how" = smoke ]; then
		runs=$(sed -nE 's/.*smoke: ([0-9]+).*/\1/p' "tests/fuzz/fuzz_$name.c" | head -1)
		set -- "$1" -seed=1 -runs="${runs:-20000}" "$TMPDIR/$name"
	else
		mkdir -p "$found"
		set -- "$1" -max_total_time="$how" "$found"
	fi
	"$@" -max_len=8192 -timeout=30 -rss_limit_mb=1024 -malloc_limit_mb=512 -print_final_stats=1 \
		-artifact_prefix="$build/fuzz/broken/$name-" "$(seeds_of "$name")" > "$log" 2>&1
	echo $? > "$log.status"
	if [ "$(cat "$log.status")" = 0 ]; then
		awk -v name="$name" '/number_of_executed_units/ { n = $2 } / cov: / { c = $4; f = $6 }
			END { printf "  %-10s %d executions, %d edges, %d features\n", name, n, c, f }' "$log"
	else
		printf 'FAIL %s\n' "$name"
		grep -vE '^(#|INFO|\t?NEW_FUNC)' "$log" | head -60
	fi
}
export -f one seeds_of
printf '%s\0' "$@" | xargs -0 -P "$jobs" -I{} bash -c 'one "$1"' _ {}
passed=0 failed=0
for t in "$@"; do
	if [ "$(cat "$TMPDIR/${t##*/fuzz_}.log.status")" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
printf 'fuzz: %d passed, %d failed, %s executions\n' $passed $failed \
	"$(cat "$TMPDIR"/*.log | awk '/number_of_executed_units/ { n += $2 } END { printf "%d", n }')"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
