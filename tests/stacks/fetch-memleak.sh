#!/bin/bash
# Fetches Debian trixie's memleak-libbpf (bcc's libbpf-tools) with the libraries that it needs, without
# installing anything, and prints the command that runs it, one word a line. What was unpacked
# before is used again.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD/${BUILD:-build}/peers
apt=$top/apt root=$top/memleak
. tests/vm/apt.sh

if [ ! -x "$root/usr/sbin/memleak-libbpf" ]; then
	rm -rf "$apt" "$root"
	own_apt trixie "$(dpkg --print-architecture)"
	for p in libbpf-tools libc6 libelf1t64 zlib1g libzstd1; do download trixie "$p"; done
	mkdir -p "$root"
	for deb in "$apt"/debs/*.deb; do dpkg -x "$deb" "$root"; done
	rm -rf "$apt" "$root/etc"
fi
printf '%s\n' "$(find "$root" -name 'ld-linux-*' | head -1)" --library-path \
	"$(dirname "$(find "$root" -name libc.so.6 | head -1)")" "$root/usr/sbin/memleak-libbpf"
