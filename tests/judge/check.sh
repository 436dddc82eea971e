#!/bin/bash
# The bars on labelled windows, running and recorded series, from a seed that nobody has tuned on. The seed is
# printed, so that a failure can be had again. Usage: check.sh EVALUATE [SEED]
set -u
cd "$(dirname "$0")/../.."
seed=${2:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
report=$("$1" --seed "$seed" --tolerance 0.015 windows real 2>&1)
status=$?
report+=$'\n'$("$1" --seed "$seed" --tolerance 0.03 --size 0.2 streams 2>&1) || status=1
if [ $status -eq 0 ]; then
	printf 'judge: the bars are met (seed %s)\n' "$seed"
else
	grep -E '^#|missed|^Wrong|: ' <<<"$report"
	printf 'judge: a bar was missed; again with: tests/judge/check.sh %s %s\n' "$1" "$seed"
fi
exit $status
