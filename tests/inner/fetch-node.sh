#!/bin/bash
# Unpacks node's own builds, as the packages of npm have them, to build/node/VERSION/node.
#   tests/inner/fetch-node.sh VERSION...
# Nothing is installed and nothing of a package is run. What is there already is left alone; remove
# build/node to get newer ones. Status 77: it cannot be had here.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD/${BUILD:-build}/node
case $(uname -m) in
x86_64) arch=x64 ;;
aarch64) arch=arm64 ;;
*) echo "fetch-node: no builds for $(uname -m)" >&2; exit 77 ;;
esac
command -v npm >/dev/null || { echo "fetch-node: npm is not installed" >&2; exit 77; }

for version in "$@"; do
	[ -x "$top/$version/node" ] && continue
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	(cd "$work" && npm pack --silent "node-linux-$arch@$version" >/dev/null) ||
		{ echo "fetch-node: no package of node $version" >&2; exit 77; }
	tar -xzf "$work"/*.tgz -C "$work" package/bin/node
	mkdir -p "$top/$version"
	mv "$work/package/bin/node" "$top/$version/node"
	rm -rf "$work"
done
