#!/bin/bash
# Whether points inside allocator functions see what they promise: tests/exits/run.sh some|all DIR
#   some: the allocators that are installed here
#   all:  those of Debian's packages of several suites, too, which are fetched and unpacked below
#         $BUILD/exits and not installed
# DIR holds the programs. Status 1 when any call was not as promised.
set -euo pipefail
cd "$(dirname "$0")/../.."
what=$1 programs=$PWD/$2
calls=${CALLS:-$([ "$what" = some ] && echo 600 || echo 4000)}
top=$PWD/${BUILD:-build}/exits
bad=0 checked=0

library() { ldconfig -p | awk -v name="$1" '!n && $1 == name && /x86-64/ { print $NF; n++ }'; }

# check NAME LIBRARY PROGRAM...
check() {
	local name=$1 file=$2 status=0
	shift 2
	"$programs/oracle" "$name" "$file" "$@" "$calls" 1 || status=$?
	case $status in
	0) checked=$((checked + 1)) ;;
	3) ;; # said by the oracle; other builds are checked all the same
	*) bad=1 ;;
	esac
}

installed() {
	local l file
	check libc "$(library libc.so.6)" "$programs/driver"
	for l in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2 libmimalloc.so.2.0; do
		file=$(library "$l")
		[ -z "$file" ] || check "$l" "$file" /usr/bin/env LD_PRELOAD="$file" "$programs/driver"
	done
	file=/usr/lib/x86_64-linux-musl/libc.so
	[ ! -e "$file" ] || check musl "$file" "$file" "$programs/driver-musl"
}

# fetch SUITE: unpacks what there is of these packages, each into a folder of its own.
fetch() (
	suite=$1 root=$top/$suite apt=$top/apt-$suite
	. tests/vm/apt.sh
	[ ! -e "$root/complete" ] || exit 0
	rm -rf "$root" "$apt"
	own_apt "$suite" amd64
	for p in libc6 musl libjemalloc2 libtcmalloc-minimal4 libtcmalloc-minimal4t64 libmimalloc2.0 \
		libmimalloc3 libstdc++6 libgcc-s1; do
		(download "$suite" "$p" 2>/dev/null) || continue
	done
	for deb in "$apt"/debs/*.deb; do
		p=$(basename "$deb")
		mkdir -p "$root/${p%_*}"
		dpkg -x "$deb" "$root/${p%_*}"
	done
	rm -rf "$apt"
	touch "$root/complete"
)

# Folders of a suite's own libraries, as the loader wants them.
folders() { find "$1" -name '*.so*' -path '*x86_64-linux-gnu/*' ! -path '*/gconv/*' -printf '%h\n' | sort -u | paste -sd:; }

# Files are links in many packages: what they lead to is what is mapped.
suite() {
	local root=$top/$1 libs loader file name
	fetch "$1" || { [ $? -eq 77 ] && echo "$1: cannot be had here" && return; }
	libs=$(folders "$root")
	loader=$(find "$root" -name 'ld-linux-x86-64.so.2' -path '*x86_64-linux-gnu*' -print -quit)
	for file in $(find "$root" \( -name 'libc.so.6' -o -name 'libjemalloc.so.2' -o -name 'libtcmalloc_minimal.so.4.*' \
		-o -name 'libmimalloc.so.*' \) -type f | sort); do
		name=$1/$(sed "s|^$root/||; s|/.*||" <<< "$file")
		case $file in
		*/libc.so.6) check "$name" "$file" "$loader" --library-path "$libs" "$programs/driver" ;;
		*) check "$name" "$file" "$loader" --library-path "$libs" --preload "$file" "$programs/driver" ;;
		esac
	done
	for file in $(find "$root" -path '*-linux-musl/libc.so' -type f); do
		check "$1/$(sed "s|^$root/||; s|/.*||" <<< "$file")" "$file" "$file" "$programs/driver-musl"
	done
}

installed
if [ "$what" = all ]; then
	for s in bookworm trixie sid; do suite "$s"; done
fi
echo "exits: $checked builds checked"
[ "$checked" -gt 0 ] && [ "$bad" -eq 0 ]
