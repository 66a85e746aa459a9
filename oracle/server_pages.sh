#!/usr/bin/env bash
# Installs what oracle/server_pages.mjs drives a browser with into DIR, from npm.
#   oracle/server_pages.sh DIR
set -euo pipefail
dir=${1:?usage: server_pages.sh DIR}
packages=(playwright-core@1.65.1 axe-core@4.14.1)
stamp="$dir/.lorgnette-packages"
if [ "$(cat "$stamp" 2>/dev/null)" != "${packages[*]}" ]; then
  mkdir -p "$dir"
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$dir" "${packages[@]}"
  echo "${packages[*]}" >"$stamp"
fi
