#!/usr/bin/env bash
# Makes the source package lorgnette_VERSION.tar.gz in the folder OUT:
#   packages/r/tools/release.sh OUT                    with the Rust crates, which builds offline
#   packages/r/tools/release.sh --without-crates OUT   without them, for checks of the R side alone
#   packages/r/tools/release.sh --without-vignettes OUT
# For vignettes the package is compiled; with LORGNETTE_STATICLIB nothing is.
set -euo pipefail
with_crates=1 options=()
while [[ ${1-} == --* ]]; do
  case $1 in
    --without-crates) with_crates=0 ;;
    --without-vignettes) options=(--no-build-vignettes) ;;
    *) echo "release.sh: $1 is no option" >&2; exit 2 ;;
  esac
  shift
done
mkdir -p "${1:?usage: release.sh [--without-crates] [--without-vignettes] OUT}"
out=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
package=$work/lorgnette rust=$work/lorgnette/src/rust

# Files of the repository under $1, those that are new included, to $2.
copy() { git ls-files --cached --others --exclude-standard -z "$1" | tar --null --files-from=- --create | tar --extract --directory "$2"; }

mkdir "$work/repository"
copy packages/r "$work/repository"
mv "$work/repository/packages/r" "$package"
cp NOTICE "$package/inst/NOTICE"

if [ $with_crates = 1 ]; then
  crates=(lorgnette lorgnette-jpeg lorgnette-kernels lorgnette-library lorgnette-net)
  for crate in "${crates[@]}"; do copy "crates/$crate" "$rust"; done
  # What only tests need is left out, and so are the tests.
  for crate in "${crates[@]}"; do
    rm -rf "$rust/crates/$crate/"{tests,examples,benches}
    python3 packages/r/tools/manifest.py crate "$rust/crates/$crate/Cargo.toml"
  done
  python3 packages/r/tools/manifest.py root Cargo.toml "$rust/Cargo.toml"
  cp Cargo.lock "$rust"
  (cd "$rust" && cargo vendor --quiet --versioned-dirs vendor >/dev/null)
  # The lock file now has what this package needs alone.
  (cd "$rust" && cargo metadata --format-version 1 --offline --locked --config 'source.crates-io.replace-with="vendored"' \
    --config 'source.vendored.directory="vendor"') >"$work/metadata.json"
  python3 packages/r/tools/manifest.py authors "$work/metadata.json" "$package/inst/AUTHORS"
  tar --create --sort=name --mtime='1980-01-01 00:00Z' --owner=0 --group=0 --numeric-owner --directory "$rust" crates vendor |
    xz -6 --threads=2 >"$rust/vendor.tar.xz"
  rm -rf "$rust/crates" "$rust/vendor"
  echo "vendor.tar.xz: $(stat -c %s "$rust/vendor.tar.xz") bytes, $(grep -c '^name = ' "$rust/Cargo.lock") crates"
fi
(cd "$out" && R CMD build "${options[@]}" "$package")
