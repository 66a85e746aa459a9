#!/usr/bin/env bash
# Installs real TensorFlow and TF-Slim into DIR (about 2 GB, one to two minutes the first time, nothing after that).
#   oracle/environment.sh DIR && DIR/bin/python oracle/operations.py OUT_DIR
set -euo pipefail
dir=${1:?usage: environment.sh DIR}
# Pinned: the golden files are the answers of exactly these versions.
packages=(tensorflow-cpu==2.21.0 tf-keras==2.21.0 tf-slim==1.1.0 pillow==13.0.0 cramjam==2.14.0 tensorboard==2.21.0 onnx==1.23.2 onnxruntime==1.32.0 ai-edge-litert==2.3.0 pyarrow==26.0.1)
stamp="$dir/.lorgnette-packages"
if [ "$(cat "$stamp" 2>/dev/null)" != "${packages[*]}" ]; then
  [ -x "$dir/bin/python" ] || python3 -m venv "$dir"
  "$dir/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
  "$dir/bin/python" -c 'import tensorflow' 2>/dev/null
  echo "${packages[*]}" >"$stamp"
fi
