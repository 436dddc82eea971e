#!/bin/bash
# The out-of-memory ring, as many programs at once as there are CPUs: tests/oom/run.sh PROGRAM...
# test_oom_* say themselves what must hold when an allocation fails, and that nothing leaks.
# All others are unit tests that are run again and again, each time with another allocation
# failing: see fail_alloc.c. There an assertion may fail, and what it leaves behind may leak.
set -u
signals=handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2:handle_abort=2
export UBSAN_OPTIONS=exitcode=99
said=$(mktemp -d) || exit 1
trap 'rm -rf "$said"' EXIT
export said signals

one() {
	case $1 in
	*/test_oom_*) ASAN_OPTIONS=exitcode=99:$signals "$1" ;;
	*) OOM_WALK=1 ASAN_OPTIONS=exitcode=99:detect_leaks=0:$signals "$1" ;;
	esac > "$said/${1##*/}" 2>&1
	echo $? > "$said/${1##*/}.status"
}
export -f one
printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -I{} bash -c 'one "$1"' _ {}

passed=0 failed=0 runs=0
for t in "$@"; do
	out=$said/${t##*/}
	rc=$(cat "$out.status") || rc=missing
	n=$(sed -nE 's/.* ([0-9]+) runs, .*/\1/p' "$out" | tail -1)
	runs=$((runs + ${n:-0}))
	if [ "$rc" = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAIL %s (status %s)\n%s\n' "$t" "$rc" "$(grep -v '^\[ RUN\|^\[       OK' "$out")"
	fi
	[ -z "${OOM_VERBOSE:-}" ] || printf '%s: %s\n' "$t" "$(tail -1 "$out")"
done
printf 'oom: %d passed, %d failed; %d runs with a failing allocation\n' $passed $failed $runs
[ $failed -eq 0 ] && [ $passed -gt 0 ] && [ $runs -gt 0 ]
