#!/usr/bin/env bash
# Checks a wheel: the stable ABI, types, tests, notebooks; and the workflow that publishes it.
#   packages/python/tests/environment.sh TOOLS && packages/python/tests/check.sh TOOLS FOLDER_OF_WHEEL ENVIRONMENT
# ENVIRONMENT is made anew, with nothing but the wheel and numpy for the first part, and what TOOLS has for the rest.
set -euo pipefail
tools=$(realpath "$1") wheels=$(realpath "$2") environment=$3
cd "$(dirname "${BASH_SOURCE[0]}")/.."
wheel=$(ls "$wheels"/lorgnette-*.whl)
echo "$(basename "$wheel"): $(stat -c %s "$wheel") bytes"

# The stable ABI, and the workflow that publishes.
"$tools/bin/abi3audit" --strict --report "$wheel" >/dev/null
"$tools/bin/actionlint" ../../.github/workflows/*.yml

# Nothing but the wheel and numpy.
python3 -m venv "$environment"
environment=$(realpath "$environment")
"$environment/bin/pip" install --quiet --disable-pip-version-check "$wheel"
(cd "$environment" && bin/python "$OLDPWD/tests/bare.py" "$OLDPWD/../../photos")

# The rest has readers of tables, scikit-learn and so on. Nothing may be skipped.
tools_site=$("$tools/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
site=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$tools_site" >"$site/tools.pth"
"$environment/bin/python" -m mypy --strict --cache-dir "$environment/mypy" python/lorgnette tests/typed.py
"$tools/bin/pyright" --pythonpath "$environment/bin/python" python/lorgnette tests/typed.py
"$environment/bin/python" -m pytest -q -p no:cacheprovider -o xfail_strict=true tests | tee "$environment/pytest.log"
if grep -qE '[0-9]+ skipped' "$environment/pytest.log"; then
  echo 'tests of the Python package were skipped' >&2
  exit 1
fi
"$environment/bin/python" tests/notebooks.py ../../docs/tutorials "$environment/notebooks"
