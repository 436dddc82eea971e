#!/bin/bash
# `make demo`: starts the leaking example, traces it for 25 seconds, shows the report, ends it.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${DEMO_SECONDS:-25}

if [ "$(id -u)" != 0 ]; then
	echo "demo: tracing needs root; run: sudo make demo" >&2
	exit 77
fi
coproc SERVER { exec build/targets/demo_server; }
server=$SERVER_PID
trap 'kill "$server" 2>/dev/null || true' EXIT
read -r pid <&"${SERVER[0]}"
printf '\n$ sudo memtrace -p %s --duration %s --interval 10\n\n' "$pid" "$seconds"
build/memtrace -p "$pid" --duration "$seconds" --interval 10 --top 3
