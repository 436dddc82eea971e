# Sourced by what fetches Debian packages of another suite without installing them. apt keeps lists,
# keys and archives of its own in the folder $apt, with sources that are the machine's own Debian
# source with another suite: nothing of the machine's apt is touched. Status 77: the
# packages cannot be had here.

say() { printf 'fetch: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
cannot() { say "$*"; exit 77; }

# One stanza of a deb822 file, or one line of an older file, with the suite of this machine.
derive_sources() {
	local suite=$1 codename f
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -e "$f" ] || continue
		awk -v RS= -v want="$codename" '
			$0 ~ "(^|\n)Suites:([^\n]*[ \t])?" want "([ \t\n]|$)" { print; exit }' "$f" |
			sed "/^#/d; s/^Suites:.*/Suites: $suite/; s/^Components:.*/Components: main/" \
				> "$apt/etc/other.sources"
		[ ! -s "$apt/etc/other.sources" ] || return 0
	done
	rm -f "$apt/etc/other.sources"
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -e "$f" ] || continue
		awk -v want="$codename" -v suite="$suite" '$1 == "deb" {
			for (i = 2; i <= NF; i++) if ($i == want) {
				$i = suite; $(i + 1) = "main"; NF = i + 1; print; exit } }' "$f" \
			> "$apt/etc/other.list"
		[ ! -s "$apt/etc/other.list" ] || return 0
	done
	cannot "no apt source for $codename was found to derive one for $suite from"
}

options() {
	local arch=$1
	printf '%s\n' "Dir::Etc::sourcelist \"/dev/null\";" "Dir::Etc::sourceparts \"$apt/etc\";" \
		"Dir::State \"$apt/state\";" "Dir::State::status \"/dev/null\";" \
		"Dir::Cache \"$apt/cache\";" "APT::Architecture \"$arch\";" \
		"APT::Architectures { \"$arch\"; };" "Acquire::Languages \"none\";" \
		"APT::Sandbox::User \"root\";"
}

# apt of its own for SUITE and ARCH; its package lists are read.
own_apt() {
	command -v apt-get >/dev/null || cannot "this is not a Debian system"
	mkdir -p "$apt"/{etc,state/lists/partial,cache/archives/partial,debs}
	derive_sources "$1"
	options "$2" > "$apt/apt.conf"
	export APT_CONFIG=$apt/apt.conf
	say "reading the package lists of $1 ($2)"
	apt-get update -qq -o APT::Update::Error-Mode=any >&2 || cannot "the lists of $1 cannot be read"
}

# Downloads PACKAGE of SUITE into $apt/debs.
download() {
	say "$2"
	(cd "$apt/debs" && apt-get download -qq "$2/$1" >&2) || cannot "$2 cannot be downloaded"
}
