#!/bin/bash
# Fetches a Debian kernel without installing it and prints the path of its image.
#   tests/vm/fetch.sh SUITE PACKAGE ARCH
# apt keeps lists, keys and archives of its own under build/vm, with sources that are the machine's
# own Debian source with another suite: nothing of the machine's apt is touched. A kernel that was
# unpacked before is used again; remove build/vm to get newer ones. Status 77: it cannot be had here,
# because there is no package source or it does not answer.
set -euo pipefail
cd "$(dirname "$0")/../.."
suite=$1 package=$2 arch=$3
top=$PWD/${BUILD:-build}/vm
work=$top/fetch-$suite-$arch kept=$top/$suite-$arch
apt=$work/apt unpacked=$work/unpacked

say() { printf 'fetch: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
cannot() { say "$*"; exit 77; }
image() { find "$kept" -name 'vmlinuz-*' 2>/dev/null | sort -V | tail -1; }

# One stanza of a deb822 file, or one line of an older file, with the suite of this machine.
derive_sources() {
	local codename f
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -e "$f" ] || continue
		awk -v RS= -v want="$codename" '
			$0 ~ "(^|\n)Suites:([^\n]*[ \t])?" want "([ \t\n]|$)" { print; exit }' "$f" |
			sed "/^#/d; s/^Suites:.*/Suites: $suite/; s/^Components:.*/Components: main/" \
				> "$apt/etc/vm.sources"
		[ ! -s "$apt/etc/vm.sources" ] || return 0
	done
	rm -f "$apt/etc/vm.sources"
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -e "$f" ] || continue
		awk -v want="$codename" -v suite="$suite" '$1 == "deb" {
			for (i = 2; i <= NF; i++) if ($i == want) {
				$i = suite; $(i + 1) = "main"; NF = i + 1; print; exit } }' "$f" \
			> "$apt/etc/vm.list"
		[ ! -s "$apt/etc/vm.list" ] || return 0
	done
	cannot "no apt source for $codename was found to derive one for $suite from"
}

options() {
	printf '%s\n' "Dir::Etc::sourcelist \"/dev/null\";" "Dir::Etc::sourceparts \"$apt/etc\";" \
		"Dir::State \"$apt/state\";" "Dir::State::status \"/dev/null\";" \
		"Dir::Cache \"$apt/cache\";" "APT::Architecture \"$arch\";" \
		"APT::Architectures { \"$arch\"; };" "Acquire::Languages \"none\";" \
		"APT::Sandbox::User \"root\";"
}

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
	command -v apt-get >/dev/null || cannot "this is not a Debian system"
	[ -z "$(image)" ] || { image; return; }
	rm -rf "$work"
	mkdir -p "$apt"/{etc,state/lists/partial,cache/archives/partial,debs} "$unpacked"
	derive_sources
	options > "$apt/apt.conf"
	export APT_CONFIG=$apt/apt.conf
	say "reading the package lists of $suite ($arch)"
	apt-get update -qq -o APT::Update::Error-Mode=any >&2 || cannot "the lists of $suite cannot be read"
	for p in $(kernel_packages); do
		say "$p"
		(cd "$apt/debs" && apt-get download -qq "$p/$suite" >&2) || cannot "$p cannot be downloaded"
	done
	for deb in "$apt"/debs/*.deb; do dpkg -x "$deb" "$unpacked"; done
	keep_image
	rm -rf "$work"
	image
}

main
