#!/bin/bash
# The end-to-end ring: every tests/e2e/NN-*.py, one after the other. Root and BPF are needed; where
# they are missing a test skips (77), and in continuous integration a skip is a failure.
set -u
cd "$(dirname "$0")/../.."
passed=0 failed=0 skipped=0
echo "bpf: programs load within the stack limit"
if build/bpf_load/check_stack; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
for t in tests/e2e/[0-9]*.py; do
	echo "$t"
	timeout "${E2E_TIMEOUT:-600}" /usr/bin/python3 "$t"
	case $? in
	0) passed=$((passed + 1)) ;;
	77) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
done
printf 'e2e: %d passed, %d failed, %d skipped\n' $passed $failed $skipped
if [ $skipped -gt 0 ] && [ "${CI:-}" = true ]; then
	echo "a ring that should run was skipped" >&2
	exit 1
fi
[ $failed -eq 0 ] && [ $passed -gt 0 ]
