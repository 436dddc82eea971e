#!/bin/bash
# Runs test programs, as many at once as there are CPUs: tools/run-tests.sh RING PROGRAM...
# Exit 77 of a program is a skip with the reason on its last line. One closing line per ring.
set -u
ring=$1; shift
passed=0 failed=0 skipped=0
said=$(mktemp -d) || exit 1
trap 'rm -rf "$said"' EXIT
printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -I{} \
	sh -c '"$1" > "$2/${1##*/}" 2>&1; echo $? > "$2/${1##*/}.status"' _ {} "$said"
for t in "$@"; do
	out=$said/${t##*/}
	rc=$(cat "$out.status") || rc="missing"
	case $rc in
	0) passed=$((passed + 1)) ;;
	77) skipped=$((skipped + 1)); printf 'SKIP %s: %s\n' "$t" "$(tail -1 "$out")" ;;
	*) failed=$((failed + 1)); printf 'FAIL %s (status %s)\n%s\n' "$t" "$rc" "$(grep -v '^\[ RUN\|^\[       OK' "$out")" ;;
	esac
done
printf '%s: %d passed, %d failed, %d skipped\n' "$ring" $passed $failed $skipped
if [ $((passed + failed)) -eq 0 ]; then
	printf 'ring %s ran no test\n' "$ring" >&2
	exit 1
fi
[ $failed -eq 0 ]
