#!/usr/bin/env bash
# Installs what reads and writes the formats of photos into DIR: libheif, libjxl and libavif beside Pillow (some 60 MB).
#   oracle/photos_environment.sh DIR && DIR/bin/python oracle/make_container_fixtures.py
set -euo pipefail
dir=${1:?usage: photos_environment.sh DIR}
# Pinned: the fixtures are the answers of exactly these versions.
packages=(pillow==12.3.0 pillow-heif==1.8.1 pillow-jxl-plugin==1.3.8 numpy==2.4.6)
stamp="$dir/.lorgnette-packages"
if [ "$(cat "$stamp" 2>/dev/null)" != "${packages[*]}" ]; then
  [ -x "$dir/bin/python" ] || python3 -m venv "$dir"
  "$dir/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
  echo "${packages[*]}" >"$stamp"
fi
