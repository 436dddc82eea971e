#!/bin/sh
# Regenerates vmlinux/<arch>/vmlinux.h from the BTF of a kernel (default: the running one).
#   tools/gen-vmlinux.sh [ARCH [BTF_FILE]]
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
arch=${1:-$(uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')}
btf=${2:-/sys/kernel/btf/vmlinux}
mkdir -p "$here/vmlinux/$arch"
bpftool btf dump file "$btf" format c > "$here/vmlinux/$arch/vmlinux.h"
echo "vmlinux/$arch/vmlinux.h: $(wc -l < "$here/vmlinux/$arch/vmlinux.h") lines from $btf"
