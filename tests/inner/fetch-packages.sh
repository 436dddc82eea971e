#!/bin/bash
# Puts packages that tests/e2e/98-real-kinds.py uses to build/npm/node_modules: ws, pg, and the
# sources of better-sqlite3, which build-addon.sh builds. Nothing is installed. What is there
# already is left alone; remove build/npm to get newer ones.
# Status 77: it cannot be had here.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD/${BUILD:-build}/npm
[ -e "$top/node_modules/better-sqlite3" ] && exit
command -v npm >/dev/null || { echo "fetch-packages: npm is not installed" >&2; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{"private": true}' >package.json
npm install --silent --ignore-scripts --no-save ws@8 pg@8 better-sqlite3@11 >/dev/null 2>&1 ||
	{ echo "fetch-packages: no packages from the registry" >&2; exit 77; }
mkdir -p "$top"
rm -rf "$top/node_modules"
mv node_modules "$top/node_modules"
