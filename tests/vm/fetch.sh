#!/bin/bash
# Fetches a Debian kernel without installing it and prints the path of its image.
#   tests/vm/fetch.sh SUITE PACKAGE ARCH
# Everything stays under build/vm (see apt.sh). A kernel that was unpacked before is used again;
# remove build/vm to get newer ones. Status 77: it cannot be had here, because there is no package
# source or it does not answer.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=$1 package=$2 arch=$3
top=$PWD/${BUILD:-build}/vm
work=$top/fetch-$suite-$arch kept=$top/$suite-$arch
apt=$work/apt unpacked=$work/unpacked

. tests/vm/apt.sh
image() { find "$kept" -name 'vmlinuz-*' 2>/dev/null | sort -V | tail -1; }

# What a package needs of the kernel's own packages: a meta package names the one with the image.
kernel_packages() {
	local todo=("$package") seen=" " p depends
	while [ ${#todo[@]} -gt 0 ]; do
		p=${todo[0]}
		todo=("${todo[@]:1}")
		case $seen in *" $p "*) continue ;; esac
		seen+="$p "
		echo "$p"
		depends=$(apt-cache show "$p/$suite" 2>/dev/null | sed -n 's/^Depends: //p' | head -1)
		mapfile -t -O ${#todo[@]} todo < <(tr ',' '\n' <<<"$depends" | sed 's/^ *//; s/[ |(].*//' |
			grep -E '^linux-(image|binary|modules)-' || true)
	done
}

# /boot/vmlinuz-VERSION, or, in newer packages, /usr/lib/modules/VERSION/vmlinuz.
keep_image() {
	local from version
	from=$(find "$unpacked" -name vmlinuz -o -name 'vmlinuz-*' | head -1)
	[ -n "$from" ] || die "$package of $suite has no kernel image"
	version=${from##*/vmlinuz}
	[ -n "$version" ] || version=-$(basename "$(dirname "$from")")
	mkdir -p "$kept"
	cp "$from" "$kept/vmlinuz$version"
}

main() {
	[ -z "$(image)" ] || { image; return; }
	rm -rf "$work"
	mkdir -p "$unpacked"
	own_apt "$suite" "$arch"
	for p in $(kernel_packages); do download "$suite" "$p"; done
	for deb in "$apt"/debs/*.deb; do dpkg -x "$deb" "$unpacked"; done
	keep_image
	rm -rf "$work"
	image
}

main
