#!/bin/bash
# memtrace on other kernels: boots Debian's own under an emulator with an initial file system that
# holds memtrace, what it needs, and tests/vm/init, which runs the checks.
#   tests/vm/run.sh [--e2e] [NAME...]   kernels by their name in kernels.txt; without one, all
# --e2e also runs the end-to-end tests of accounting there, with the machine's Python.
# Status 77: nothing failed, but a kernel was not tested because its package cannot be had here.
# Everything is emulated, never KVM: nested virtualisation hangs. An emulator has faults of its own:
# a boot that ends in a kernel crash is tried again, at most twice, and never without being told.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
top=$PWD/$build/vm
here=tests/vm
attempts=3
seconds=${VM_TIMEOUT:-240}
e2e=

say() { printf 'vm: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

need() {
	command -v "$1" >/dev/null || die "$1 is missing: sudo tools/setup --vm"
}

allocators() {
	/sbin/ldconfig -p | awk '/lib(je|mi|tc)malloc(_minimal)?\.so\.[0-9]+ / { print $NF }'
}

# The initial file system: memtrace and its targets as they lie here, libraries under their own
# names, busybox, init.
make_initramfs() {
	local root=$1 out=$2 f
	local programs=("$build/memtrace" "$build/bpf_load/check_stack" "$build/targets/demo_server"
		"$build/targets/leak_all" "$(command -v bpftool)")
	[ -z "$e2e" ] || programs+=(/usr/bin/python3 /usr/lib/python3*/lib-dynload/*.so
		"$build"/targets/*.so "$build/targets/leak_new" $(allocators))
	mkdir -p "$root"/{bin,etc,memtrace/build/bpf_load,memtrace/build/targets}
	echo 'root:x:0:0:root:/:/bin/sh' > "$root/etc/passwd"
	cp "$(command -v busybox)" "$root/bin/busybox"
	install -m 755 "$here/init" "$root/init"
	cp "$(command -v bpftool)" "$root/bin/"
	cp "$build/memtrace" "$root/memtrace/build/"
	cp "$build/bpf_load/check_stack" "$root/memtrace/build/bpf_load/"
	find "$build/targets" -type f ! -name '*.d' -exec cp {} "$root/memtrace/build/targets/" \;
	{ ldd "${programs[@]}" 2>/dev/null | grep -oE '/[^ :]+\.so[^ :]*'; [ -z "$e2e" ] || allocators; } |
		sort -u |
		while read -r f; do
			mkdir -p "$root/$(dirname "$f")"
			cp -L "$f" "$root/$f"
		done
	[ -z "$e2e" ] || add_python "$root"
	(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 > "$out"
}

# Python's standard library without what only its own tests and builds need, and jsonschema.
add_python() {
	local root=$1
	mkdir -p "$root"/usr/{bin,lib/python3/dist-packages} "$root/memtrace/tests"
	cp -L /usr/bin/python3 "$root/usr/bin/python3"
	(cd / && tar c --exclude='config-*' --exclude=test --exclude=idlelib --exclude=lib2to3 \
		--exclude=ensurepip --exclude=pydoc_data usr/lib/python3.*) | tar x -C "$root"
	(cd /usr/lib/python3/dist-packages && cp -r jsonschema* attr* pyrsistent* _pyrsistent* \
		"$root/usr/lib/python3/dist-packages/")
	cp -r tests/e2e "$root/memtrace/tests/"
	mkdir -p "$root/sbin"
	cp -L /sbin/ldconfig "$root/sbin/"
	cp /etc/ld.so.cache "$root/etc/" # allocators are preloaded by the name that it knows
}

boot() { # boot IMAGE CPUS MEMORY_MB LACKS DIR
	local dir=$5
	timeout "$seconds" qemu-system-x86_64 -accel tcg -cpu max,la57=off -smp "$2" -m "$3" \
		-nodefaults -no-user-config -display none -no-reboot \
		-serial "file:$dir/console" -serial "file:$dir/records" \
		-kernel "$1" -initrd "$dir/initramfs" \
		-append "console=ttyS0 loglevel=${VM_LOGLEVEL:-4} panic=-1 oops=panic softlockup_panic=1 rdinit=/init VM_LACKS=$4 VM_E2E=$e2e"
}

crashed() { # crashed DIR: the kernel fell over, as opposed to a check that failed
	! grep -qE '^vm: (PASS|FAIL,)' "$1/console" &&
		grep -qE 'Kernel panic|Oops|double fault|BUG:|general protection' "$1/console"
}

# The records of each traced program against the schema and the sums of the contract.
check_records() { # check_records DIR
	local dir=$1 name
	"$build/memtrace" schema > "$dir/schema.json" || return 1
	awk -v dir="$dir" '/^=== / { out = dir "/" $2 ".jsonl"; next } { print > out }' "$dir/records"
	grep -q '^=== end' "$dir/records" || { say "the records did not arrive"; return 1; }
	for name in demo counts follow; do
		/usr/bin/python3 tests/e2e/validate_jsonl.py "$dir/schema.json" "$dir/$name.jsonl" ||
			{ say "$name: the records break the contract"; return 1; }
	done
}

run_one() { # run_one NAME SUITE PACKAGE CPUS MEMORY_MB LACKS
	local name=$1 image begun=$SECONDS attempt dir=$top/run-$1 lacks=${6:-}
	image=$("$here/fetch.sh" "$2" "$3" amd64) || return $?
	rm -rf "$dir"
	mkdir -p "$dir"
	make_initramfs "$dir/root" "$dir/initramfs"
	rm -rf "$dir/root"
	for attempt in $(seq $attempts); do
		say "$name: booting ${image##*/}, attempt $attempt"
		boot "$image" "$4" "$5" "${lacks#-}" "$dir"
		tr -d '\r' < "$dir/console" > "$dir/console.log"
		mv "$dir/console.log" "$dir/console"
		crashed "$dir" || break
		say "$name: the kernel crashed under the emulator:"
		grep -E -A 25 'Kernel panic|Oops|double fault|BUG:|general protection' "$dir/console" |
			head -40
		cp "$dir/console" "$dir/console.crash-$attempt"
	done
	sed -n '/^vm: Linux/,$p' "$dir/console"
	if grep -qx 'vm: PASS' "$dir/console" && check_records "$dir"; then
		say "$name: passed at attempt $attempt, $((SECONDS - begun)) s"
		return 0
	fi
	say "$name: FAILED at attempt $attempt, $((SECONDS - begun)) s; see $dir/console"
	tail -20 "$dir/console"
	return 1
}

main() {
	local name row failed=0 missing=0 names
	if [ "${1:-}" = --e2e ]; then
		shift
		e2e=10-functions.py,20-accounting.py
		seconds=${VM_TIMEOUT:-1200}
	fi
	need qemu-system-x86_64
	need busybox
	need bpftool
	for f in memtrace bpf_load/check_stack targets/demo_server targets/leak_all; do
		[ -x "$build/$f" ] || die "$build/$f is not built: make all targets $build/bpf_load/check_stack"
	done
	names=("$@")
	[ $# -gt 0 ] || mapfile -t names < <(awk '!/^#/ && NF { print $1 }' $here/kernels.txt)
	for name in "${names[@]}"; do
		row=$(awk -v name="$name" '$1 == name' $here/kernels.txt)
		[ -n "$row" ] || die "$name is not in $here/kernels.txt"
		run_one $row
		case $? in
		0) ;;
		77) missing=$((missing + 1)); say "$name: NOT TESTED: the kernel's package cannot be had here" ;;
		*) failed=$((failed + 1)) ;;
		esac
	done
	say "$((${#names[@]} - failed - missing)) of ${#names[@]} kernels passed"
	[ $failed -eq 0 ] || exit 1
	[ $missing -eq 0 ] || exit 77
}

main "$@"
