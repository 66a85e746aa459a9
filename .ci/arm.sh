#!/usr/bin/env bash
# Builds for 64-bit Arm, and runs the tests of the kernels, of operations and of formats on emulated CPUs.
#   .ci/arm.sh [CPU...]      by default max, neoverse-n1 and cortex-a72
#   .ci/arm.sh layer         what bench/arm/instructions.py counts with
# It needs qemu-user and Debian's cross compiler for linking, and the Rust target aarch64-unknown-linux-gnu, from rustup
# or as Debian's rustc-web with libstd-rust-web-dev:arm64. Without them it ends with 3. Emulation shows that answers are
# right; it says nothing of their time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=aarch64-unknown-linux-gnu
export CARGO_TARGET_DIR=${LORGNETTE_ARM_TARGET_DIR:-$PWD/target/arm}
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
# Tests compute what they expect; without optimisation that takes most of the time.
export CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=false
command -v qemu-aarch64 >/dev/null && command -v aarch64-linux-gnu-gcc >/dev/null || { echo 'qemu-user or gcc-aarch64-linux-gnu is missing' >&2; exit 3; }
has_target() { [ -n "$(find "$("$1" --print sysroot)/lib/rustlib/$target/lib" -name 'libstd-*' 2>/dev/null | head -n 1)" ]; }
if has_target rustc; then :
elif [ -x /usr/bin/rustc ] && has_target /usr/bin/rustc; then export RUSTC=/usr/bin/rustc
else echo "the Rust target $target is missing" >&2; exit 3
fi

if [ "${1-}" = layer ]; then
  # With the names of functions.
  CARGO_PROFILE_RELEASE_STRIP=none cargo build --release -p lorgnette-kernels --example layer --target "$target"
  cp "$CARGO_TARGET_DIR/$target/release/examples/layer" "$CARGO_TARGET_DIR/layer"
  "${CC:-cc}" -O2 -Wall -shared -fPIC -o "$CARGO_TARGET_DIR/libcount.so" bench/arm/count.c
  exit
fi

# The levels and instructions that a CPU has.
levels() {
  case $1 in
    max*) echo portable,neon,bf16 ;;
    *) echo portable,neon ;;
  esac
}

kernels=(-p lorgnette-kernels)
networks=(-p lorgnette-net --test operations --test onnx_imports --test tflite)
cargo test "${kernels[@]}" --target "$target" --no-run
cargo test "${networks[@]}" --target "$target" --no-run
if [ $# = 0 ]; then set -- max neoverse-n1 cortex-a72; fi
# The loader and the C library of one build: with Debian's libc6:arm64 installed, the emulated loader of the cross package
# would find that one's library, and the first thread would hang.
sysroot=/usr/aarch64-linux-gnu
for cpu; do
  echo "--- $cpu"
  export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu $cpu -L $sysroot -E LD_LIBRARY_PATH=$sysroot/lib"
  export LORGNETTE_EXPECT_LEVELS
  LORGNETTE_EXPECT_LEVELS=$(levels "$cpu")
  cargo test "${kernels[@]}" --target "$target"
  cargo test "${networks[@]}" --target "$target"
done
