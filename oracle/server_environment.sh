#!/usr/bin/env bash
# Installs the clients that oracle/server_clients.py runs into DIR, over the TensorFlow of TENSORFLOW_DIR
# (oracle/environment.sh), whose messages tensorflow-serving-api needs.
#   oracle/server_environment.sh DIR TENSORFLOW_DIR && DIR/bin/python oracle/server_clients.py --lorgnette PROGRAM
set -euo pipefail
dir=${1:?usage: server_environment.sh DIR TENSORFLOW_DIR} tensorflow=${2:?usage: server_environment.sh DIR TENSORFLOW_DIR}
packages=(aiohttp geventhttpclient python-rapidjson requests)
# Without what they ask for: these versions of TensorFlow, numpy and protobuf are there.
alone=(tritonclient==2.73.0 tensorflow-serving-api==2.21.0 grpcio-tools==1.85.1)
stamp="$dir/.lorgnette-packages"
if [ "$(cat "$stamp" 2>/dev/null)" != "${packages[*]} ${alone[*]}" ]; then
  [ -x "$dir/bin/python" ] || python3 -m venv "$dir"
  site=$("$dir/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  "$tensorflow/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/tensorflow.pth"
  "$dir/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
  "$dir/bin/pip" install --quiet --disable-pip-version-check --no-deps "${alone[@]}"
  echo "${packages[*]} ${alone[*]}" >"$stamp"
fi
