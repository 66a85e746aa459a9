#!/usr/bin/env bash
# Lets schemathesis make requests from the OpenAPI document, right and wrong ones, and fails if one is answered with 5xx.
#   oracle/server_openapi.sh DIR PROGRAM [SECONDS]
# DIR is an environment, made on the first run. The server has a library of the photos of this repository.
set -euo pipefail
dir=$(realpath -m "${1:?usage: server_openapi.sh DIR PROGRAM [SECONDS]}") program=$(realpath "${2:?usage: server_openapi.sh DIR PROGRAM [SECONDS]}")
seconds=${3:-60}
packages=(schemathesis==4.32.5)
if [ "$(cat "$dir/.lorgnette-packages" 2>/dev/null)" != "${packages[*]}" ]; then
  [ -x "$dir/bin/python" ] || python3 -m venv "$dir"
  "$dir/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
  echo "${packages[*]}" >"$dir/.lorgnette-packages"
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
"$program" index photos --library "$work/photos.lgn" --quiet
"$program" serve --library "$work/photos.lgn" --http 127.0.0.1:0 --grpc 127.0.0.1:0 --log /dev/null 2>"$work/said" &
server=$!
for _ in $(seq 300); do
  if grep -q 'serving ' "$work/said"; then break; fi
  sleep 0.1
done
address=$(grep -om1 'http://[0-9.:]*' "$work/said")
# It keeps what it found in the folder it runs in.
cd "$work"
# Names that exist, so that requests get beyond them.
printf '[parameters]\n"path.model" = "mobilenet_v1_1.0_224"\n"path.version" = 1\n"path.photo" = 1\n' >"$work/schemathesis.toml"
# One worker: Python 3.11 parses no syntax trees in two threads at once, which hypothesis does.
# Loading and unloading is answered as Triton answers it where it is not allowed: with 503.
"$dir/bin/schemathesis" --config-file "$work/schemathesis.toml" run "$address/openapi.json" --exclude-path-regex /v2/repository/models/ --checks not_a_server_error --phases examples,coverage,fuzzing \
  --max-time "$seconds" --workers 1 --continue-on-failure --seed 1 --suppress-health-check all | tee "$work/report"
if grep -q "Empty test suite" "$work/report"; then exit 1; fi
kill -TERM "$server"
wait "$server"
