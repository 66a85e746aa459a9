#!/bin/sh
# Checks that what build.sh needs is there, and says what to do if it is not. Prints the versions.
here=$(dirname "$0")
PATH=$PATH:$HOME/.cargo/bin
MINIMUM=1.89

stop() {
  echo "------------------------- lorgnette cannot be built -------------------------"
  printf '%s\n' "$@"
  echo "------------------------------------------------------------------------------"
  exit 1
}

if [ -n "$LORGNETTE_STATICLIB" ]; then
  [ -f "$LORGNETTE_STATICLIB" ] || stop "LORGNETTE_STATICLIB is $LORGNETTE_STATICLIB, which is not there."
  echo "using $LORGNETTE_STATICLIB, which cargo has built"
  exit
fi

cargo=$(cargo --version 2>/dev/null) && rustc=$(rustc --version 2>/dev/null) || stop \
  "cargo and rustc, Rust's package manager and compiler, are neither on PATH nor in ~/.cargo/bin." \
  "Install Rust $MINIMUM or later: https://rustup.rs, or your system's packages (cargo, rustc)."
echo "$cargo"
echo "$rustc"
version=$(echo "$rustc" | sed 's/^rustc \([0-9]*\)\.\([0-9]*\).*/\1 \2/')
# shellcheck disable=SC2086
set -- $version
if [ "$1" -lt 1 ] || { [ "$1" -eq 1 ] && [ "$2" -lt "${MINIMUM#1.}" ]; }; then
  stop "This is $rustc, and $MINIMUM or later is needed: \`rustup update\`, or your system's newest packages."
fi

if [ -f "$here/vendor.tar.xz" ]; then
  command -v xz >/dev/null || stop "xz, which unpacks the Rust crates, is missing: install xz-utils (macOS: brew install xz)."
elif ! grep -q '^lorgnette-net = ' "$here/../../../../Cargo.toml" 2>/dev/null; then
  stop "src/rust/vendor.tar.xz, the Rust crates, is missing." \
    "A release has it: packages/r/tools/release.sh makes one. R CMD INSTALL packages/r builds in the repository."
fi
