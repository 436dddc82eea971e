#!/bin/bash
# Puts packages that tests/e2e/98-real-kinds.py uses to build/npm/node_modules: ws, pg, and
# better-sqlite3, which is built from its sources with the headers of the installed node (a minute).
# Nothing is installed. What is there already is left alone; remove build/npm to get newer ones.
# Status 77: it cannot be had here.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD/${BUILD:-build}/npm
sqlite=$top/node_modules/better-sqlite3/build/Release/better_sqlite3.node
[ -e "$top/node_modules/ws" ] && [ -e "$top/node_modules/pg" ] && [ -e "$sqlite" ] && exit
command -v npm >/dev/null || { echo "fetch-packages: npm is not installed" >&2; exit 77; }
prefix=$(dirname "$(dirname "$(node -p process.execPath)")")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{"private": true}' >package.json
npm install --silent --ignore-scripts --no-save ws@8 pg@8 better-sqlite3@11 >/dev/null 2>&1 ||
	{ echo "fetch-packages: no packages from the registry" >&2; exit 77; }
if [ -e "$prefix/include/node/node.h" ]; then
	npm_config_nodedir=$prefix nice npm rebuild --silent --build-from-source better-sqlite3 \
		>build.log 2>&1 || echo "fetch-packages: better-sqlite3 does not build: $(tail -1 build.log)" >&2
else
	echo "fetch-packages: node's headers (libnode-dev) are not installed: no better-sqlite3" >&2
fi
rm -rf node_modules/better-sqlite3/build/Release/obj*
mkdir -p "$top"
rm -rf "$top/node_modules"
mv node_modules "$top/node_modules"
