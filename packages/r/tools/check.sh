#!/usr/bin/env bash
# Checks the R package: R CMD check, its tests beside the program, the tutorial.
#   packages/r/tools/check.sh STATIC_LIBRARY PROGRAM WORK
# STATIC_LIBRARY is liblorgnette_r.a as Cargo has built it with R_INCLUDE_DIR set: nothing is compiled but a C file.
set -euo pipefail
LORGNETTE_STATICLIB=$(realpath "$1") LORGNETTE=$(realpath "$2")
work=$3
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
rm -rf "$work" && mkdir -p "$work/library"
work=$(realpath "$work")
export LORGNETTE_STATICLIB LORGNETTE LORGNETTE_PHOTOS=$PWD/photos
# Notes of checks that ask the network, or the clock's server, are not the package's.
export _R_CHECK_CRAN_INCOMING_REMOTE_=false _R_CHECK_SYSTEM_CLOCK_=0 _R_CHECK_FORCE_SUGGESTS_=false

bash packages/r/tools/release.sh --without-crates "$work" >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log"; exit 1; }
code=0
(cd "$work" && R CMD check --as-cran --no-manual lorgnette_*.tar.gz) >"$work/check.log" 2>&1 || code=$?
grep -vE '\.\.\. (OK|NONE|SKIPPED)$' "$work/check.log" | tail -n 60
status=$(grep '^Status: ' "$work/check.log" || echo 'Status: none')
if [ "$code" != 0 ] || [[ $status == *ERROR* || $status == *WARNING* ]]; then
  cat "$work"/lorgnette.Rcheck/00install.out "$work"/lorgnette.Rcheck/tests/*.fail 2>/dev/null | tail -n 60
  exit 1
fi

# The tests once more, with the program to compare with.
export R_LIBS=$work/lorgnette.Rcheck
(cd packages/r/tests && Rscript -e 'testthat::test_dir("testthat", package = "lorgnette", load_package = "installed", stop_on_failure = TRUE)')

# The tutorial, with a checkpoint of random weights, and its numbers beside the program's.
Rscript - "$work" <<'R'
work <- commandArgs(trailingOnly = TRUE)
checkpoint <- lorgnette::lg_random_checkpoint("vgg_16", file.path(work, "vgg_16.ckpt"))
rmarkdown::render(
  "docs/tutorials/vgg16_in_r.Rmd", output_dir = work, intermediates_dir = work, quiet = TRUE,
  params = list(checkpoint = checkpoint, results = file.path(work, "results.rds"))
)
R
Rscript packages/r/tools/compare.R "$work/results.rds" "$LORGNETTE" "$work"
pictures=$(grep -o 'data:image/png' "$work/vgg16_in_r.html" | wc -l)
[ "$pictures" -ge 4 ] || { echo "the tutorial shows $pictures pictures" >&2; exit 1; }
echo "vgg16_in_r.html: $(stat -c %s "$work/vgg16_in_r.html") bytes, $pictures pictures"
rm -f "$work"/vgg_16.ckpt*
