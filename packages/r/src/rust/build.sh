#!/bin/sh
# Builds liblorgnette_r.a beside itself:
#   from vendor.tar.xz, in a release, offline and with two jobs;
#   from the workspace, in the repository;
#   not at all if LORGNETTE_STATICLIB names one that is built already.
# LORGNETTE_PROFILE names another of Cargo's profiles than release.
set -e
cd "$(dirname "$0")"
PATH=$PATH:$HOME/.cargo/bin
export PATH CC CFLAGS

if [ -n "$LORGNETTE_STATICLIB" ]; then
  cp "$LORGNETTE_STATICLIB" liblorgnette_r.a
  exit
fi

# savvy compiles a few lines of C that read R's headers.
R_INCLUDE_DIR=${R_INCLUDE_DIR:-$(R CMD config --cppflags | sed 's/^-I//')}
export R_INCLUDE_DIR
cargo --version
rustc --version

profile=${LORGNETTE_PROFILE:-release}
folder=$profile
if [ "$profile" = dev ]; then folder=debug; fi
if [ ! -f vendor.tar.xz ]; then
  cargo build --package lorgnette-r --lib --profile "$profile" --manifest-path Cargo.toml
  cp "${CARGO_TARGET_DIR:-../../../../target}/$folder/liblorgnette_r.a" .
  exit
fi

# Rtools' linker, on Windows.
target=
if [ "$OS" = Windows_NT ]; then
  case "$($CC -dumpmachine)" in
    aarch64*) target=aarch64-pc-windows-gnullvm ;;
    *)
      target=x86_64-pc-windows-gnu
      CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32.static.posix-gcc.exe
      mkdir -p mock && touch mock/libgcc_eh.a
      LIBRARY_PATH="$LIBRARY_PATH;$PWD/mock"
      export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER LIBRARY_PATH
      ;;
  esac
fi
# The deployment target of R's own builds.
if [ "$(uname)" = Darwin ]; then
  MACOSX_DEPLOYMENT_TARGET=${MACOSX_DEPLOYMENT_TARGET:-11.0}
  export MACOSX_DEPLOYMENT_TARGET
fi
CARGO_HOME=$PWD/cargo
export CARGO_HOME
xz -dc vendor.tar.xz | tar xf -
cargo build --profile "$profile" --lib --offline --locked --jobs 2 --target-dir target ${target:+--target $target} \
  --config 'source.crates-io.replace-with="vendored"' --config 'source.vendored.directory="vendor"'
cp "target/$target/$folder/liblorgnette_r.a" .
rm -rf cargo crates mock target vendor
