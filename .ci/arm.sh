#!/usr/bin/env bash
# Builds for 64-bit Arm and runs the tests of its kernels and of single operations on three emulated CPUs.
#   .ci/arm.sh [CPU...]      by default max, neoverse-n1 and cortex-a72
# It needs qemu-user and Debian's cross compiler for linking, and the Rust target aarch64-unknown-linux-gnu, from rustup
# or as Debian's rustc-web with libstd-rust-web-dev:arm64. Without them it ends with 3. Emulation shows that answers are
# right; it says nothing of their time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=aarch64-unknown-linux-gnu
export CARGO_TARGET_DIR=${LORGNETTE_ARM_TARGET_DIR:-$PWD/target/arm}
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
command -v qemu-aarch64 >/dev/null && command -v aarch64-linux-gnu-gcc >/dev/null || { echo 'qemu-user or gcc-aarch64-linux-gnu is missing' >&2; exit 3; }
has_target() { [ -n "$(find "$("$1" --print sysroot)/lib/rustlib/$target/lib" -name 'libstd-*' 2>/dev/null | head -n 1)" ]; }
if has_target rustc; then :
elif [ -x /usr/bin/rustc ] && has_target /usr/bin/rustc; then export RUSTC=/usr/bin/rustc
else echo "the Rust target $target is missing" >&2; exit 3
fi

tests=(-p lorgnette-kernels --tests -p lorgnette-net --test operations --test onnx_imports --test tflite)
cargo test "${tests[@]}" --target "$target" --no-run
for cpu in "${@:-max neoverse-n1 cortex-a72}"; do
  for cpu in $cpu; do
    echo "--- $cpu"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu $cpu -L /usr/aarch64-linux-gnu"
    LORGNETTE_EXPECT_LEVELS=portable,neon cargo test "${tests[@]}" --target "$target"
  done
done
