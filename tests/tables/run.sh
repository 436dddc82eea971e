#!/bin/bash
# Unwind tables against libdw: tests/tables/run.sh some|all PROGRAM
#   some: the C library, the loader, and those of the larger programs that are installed
#   all:  every ELF file below the usual folders, then sizes and build times of the large ones
set -u
program=$2

library() { ldconfig -p | awk -v name="$1" '$1 == name && /x86-64/ { print $NF; exit }'; }
programs() {
	local p
	for p in redis-server nginx node; do command -v "$p"; done
	ls /usr/bin/python3
	find /usr/lib/postgresql -name postgres -path '*/bin/*' 2>/dev/null | head -1
}
large_libraries() {
	find /usr/lib/jvm -name libjvm.so 2>/dev/null | head -1
	ls /usr/lib/*/libLLVM-*.so.1 2>/dev/null | head -1
}
small_libraries() {
	local l
	for l in libc.so.6 ld-linux-x86-64.so.2 libstdc++.so.6 libcrypto.so.3; do library "$l"; done
}

case $1 in
some) "$program" compare $(small_libraries) $(programs) ;;
all)
	"$program" compare /usr/bin /usr/sbin /usr/lib /lib /usr/local /opt || exit 1
	files=()
	for f in $(programs) $(large_libraries) $(small_libraries); do files+=("$f"); done
	"$program" sizes "${files[@]}"
	;;
esac
