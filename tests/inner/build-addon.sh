#!/bin/bash
# Builds better-sqlite3 in build/npm from its sources, with the headers of the installed node; it
# takes a minute. Without them, or when it does not build, that is said: the test that needs it
# tells what it left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD/${BUILD:-build}/npm
prefix=$(dirname "$(dirname "$(node -p process.execPath)")")
[ -e "$prefix/include/node/node.h" ] ||
	{ echo "build-addon: node's headers (libnode-dev) are not installed: no better-sqlite3" >&2; exit; }
cd "$top"
npm_config_nodedir=$prefix npm rebuild --silent --build-from-source better-sqlite3 >build.log 2>&1 ||
	echo "build-addon: better-sqlite3 does not build: $(tail -1 build.log)" >&2
rm -rf node_modules/better-sqlite3/build/Release/obj*
