#!/usr/bin/env bash
# Builds the program with musl: it needs no libraries then.
#   .ci/musl.sh [OPTION...]     by default --profile ci; what follows goes to cargo build
# It needs musl-gcc for SQLite, which is C, and the Rust target x86_64-unknown-linux-musl from rustup; or, without the
# target, Debian's rustc-web, rust-web-src and libunwind-16-dev: the standard library is built from its source. Without
# them it ends with 3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=x86_64-unknown-linux-musl
export CARGO_TARGET_DIR=${LORGNETTE_MUSL_TARGET_DIR:-$PWD/target/musl}
command -v musl-gcc >/dev/null || { echo 'musl-tools is missing' >&2; exit 3; }
if [ $# = 0 ]; then set -- --profile ci; fi
command=(cargo build "$@" --target "$target" --package lorgnette-cli)
unwinder=/usr/lib/llvm-16/lib/libunwind.a
has_source() { [ -d "$("$1" --print sysroot)/lib/rustlib/src/rust/library" ]; }
if [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then :
elif [ -x /usr/bin/rustc ] && has_source /usr/bin/rustc && [ -e "$unwinder" ]; then
  # Debian has no musl target. The C library and the start files are musl-gcc's; the unwinder, which rustup's target brings
  # with it, is LLVM's, which Debian compiles with one function of GNU's C library.
  export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=musl-gcc
  libraries=$CARGO_TARGET_DIR/libraries
  mkdir -p "$libraries"
  musl-gcc -xc -O2 -c -o "$libraries/fprintf_chk.o" - <<'C'
#include <stdarg.h>
#include <stdio.h>
int __fprintf_chk(FILE *file, int flag, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int written = vfprintf(file, format, arguments);
  va_end(arguments);
  return written;
}
C
  echo "INPUT($unwinder $libraries/fprintf_chk.o)" >"$libraries/libunwind.a"
  export RUSTFLAGS="-C link-self-contained=no -C relocation-model=static -C target-feature=+crt-static -L native=$libraries"
  command+=(-Zbuild-std=std,panic_abort,panic_unwind)
else
  echo "the Rust target $target is missing" >&2
  exit 3
fi
"${command[@]}"
