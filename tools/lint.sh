#!/bin/bash
# What a reviewer should not have to look for: layers, headers alone, sizes, formatting, data
# symbols, forbidden calls. Usage: tools/lint.sh BUILD_DIR (objects must be built).
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
bad=0
complain() { printf 'lint: %s\n' "$*"; bad=1; }

sources() { git ls-files --cached --others --exclude-standard -- "$@" | grep -v '^vmlinux/'; }

# --- top level is fixed
while read -r entry; do
	case $entry in
	bpf | src | include | tests | tools | Makefile | vmlinux | README.md | .*) ;;
	*) complain "top level: $entry does not belong there" ;;
	esac
done < <(sources . | cut -d/ -f1 | sort -u)

# --- layers: src/<folder> includes only what tools/layers.txt allows
while IFS=: read -r file line; do
	folder=$(cut -d/ -f2 <<<"$file")
	target=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$line")
	case $target in
	memtrace/* | *.skel.h | *.pb-c.h | version.h | schema.h | rules_table.h | flame.h) continue ;;
	esac
	dir=${target%%/*}
	[ "$dir" = "$folder" ] && continue
	allowed=$(grep "^$folder:" tools/layers.txt | cut -d: -f2)
	case " $allowed " in
	*" $dir "*) ;;
	*) complain "layers: $file ($folder) includes $target" ;;
	esac
done < <(grep -H '^#include "' $(sources 'src/*/*.[ch]' | grep -v '^src/app/') | sed -E 's/^([^:]+):(.*)$/\1:\2/')
libbpf_users=$(grep -l '#include <bpf/' $(sources 'src/*.[ch]') | grep -v '^src/collect/')
[ -z "$libbpf_users" ] || complain "layers: libbpf outside src/collect: $libbpf_users"

# --- every header compiles alone, and twice
flags="-std=gnu11 -D_GNU_SOURCE -Iinclude -Isrc -I$build $(pkg-config --cflags libbpf libelf capstone jansson libprotobuf-c)"
alone() {
	printf '#include "%s"\n#include "%s"\n' "$PWD/$1" "$PWD/$1" |
		gcc $flags -Wall -Werror -fsyntax-only -x c - 2>&1 | grep -m 3 error |
		sed "s|^|header $1 does not compile alone: |"
}
export -f alone
export flags
while read -r line; do complain "$line"; done < <(
	sources 'src/*.h' 'include/memtrace/*.h' | xargs -P "$(nproc)" -I{} bash -c 'alone "$1"' _ {})

# --- sizes (F1)
while read -r n file; do
	[ "$file" = total ] && continue
	[ "$n" -le 800 ] || complain "$file has $n lines, more than 800"
done < <(sources '*.c' '*.h' '*.cc' '*.sh' '*.py' | xargs wc -l)
[ "$(wc -l < Makefile)" -le 250 ] || complain "Makefile is longer than 250 lines"
while read -r where; do complain "function over 100 lines: $where"; done < <(
	sources '*.c' | xargs awk '
		FNR == 1 { start = 0 }
		/^\{/ { start = FNR }
		/^\}/ { if (start && FNR - start > 100) print FILENAME ":" start " " FNR - start; start = 0 }')

# --- formatting
if command -v clang-format >/dev/null; then
	while read -r f; do complain "formatting: $f (make format)"; done < <(
		sources 'src/*.[ch]' 'bpf/*.[ch]' 'tests/*.[ch]' |
			xargs -P "$(nproc)" -n 16 clang-format -n --ferror-limit=1 2>&1 |
			sed -nE 's/^([^:]+):[0-9]+:.*clang-format-violations.*/\1/p' | sort -u)
else
	complain "clang-format is not installed"
fi

# --- mutable file-scope data: only what is listed (tables of pointers are relocated, then read-only)
while read -r object symbol; do
	case $symbol in
	log_level | stop_requested) ;;
	*) complain "mutable data $symbol in $object" ;;
	esac
done < <(find "$build/src" -name '*.o' | while read -r o; do
	objdump -t "$o" | awk -v o="$o" '/ O / && ($0 ~ / \.data[ \t]/ || $0 ~ / \.bss[ \t]/) {
		sub(/\..*/, "", $NF); print o, $NF }'; done)

# --- forbidden
grep -nE '\b(atoi|atol|strcpy|strcat|sprintf|gets|abort)\(' $(sources 'src/*.[ch]') && complain "forbidden calls (above)"
grep -nE '\bgoto\b' $(sources 'src/*.[ch]') && complain "goto in user code (above)"
grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $(sources 'src/*' 'bpf/*' 'tests/*.c' 'tests/*.h' 'tools/*' Makefile | grep -v '^tools/lint.sh$') && complain "work left marked (above)"

[ $bad -eq 0 ] && echo "lint: clean"
exit $bad
