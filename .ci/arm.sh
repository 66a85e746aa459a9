#!/usr/bin/env bash
# Builds for 64-bit Arm, and runs tests and the program on emulated CPUs.
#   .ci/arm.sh [PART...]     by default kernels, networks and program, each on all three CPUs
# Parts:
#   kernels       every kernel beside its reference
#   networks      every operation, and files of every format, beside TensorFlow's, ONNX Runtime's and LiteRT's answers
#   program       whole networks, from a photo to the answer, beside this machine's program (LORGNETTE)
#   quick         8-bit integers and the tiles of convolutions, on the CPU with all extensions
#   instructions  instructions of whole layers, a table (bench/arm/instructions.py)
# LORGNETTE_ARM_CPUS names other CPUs than max, neoverse-n1 and cortex-a72.
#
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
read -ra cpus <<<"${LORGNETTE_ARM_CPUS:-max neoverse-n1 cortex-a72}"

# The levels and instructions that a CPU has.
levels() {
  case $1 in
    max*) echo portable,neon,bf16 ;;
    *) echo portable,neon ;;
  esac
}

# The emulator of a CPU. The loader and the C library are of one build: with Debian's libc6:arm64 installed, the emulated
# loader of the cross package would find that one's library, and the first thread would hang.
sysroot=/usr/aarch64-linux-gnu
runner() { echo "qemu-aarch64 -cpu $1 -L $sysroot -E LD_LIBRARY_PATH=$sysroot/lib"; }

# Runs tests on a CPU: cargo's words, then the tests' own after --.
run_tests() {
  local cpu=$1
  shift
  echo "--- $cpu"
  LORGNETTE_EXPECT_LEVELS=$(levels "$cpu") CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$(runner "$cpu") \
    cargo test --target "$target" "$@"
}

part_kernels() {
  local cpu
  for cpu in "${cpus[@]}"; do run_tests "$cpu" -p lorgnette-kernels --lib --tests; done
}

part_networks() {
  local cpu test tests=()
  for test in operations onnx_imports tflite models saved_models checkpoints formats batches; do tests+=(--test "$test"); done
  for cpu in "${cpus[@]}"; do run_tests "$cpu" -p lorgnette-net "${tests[@]}"; done
}

part_quick() {
  run_tests max -p lorgnette-kernels --test integer
  run_tests max -p lorgnette-kernels --test reference -- bf16 conv::every conv::fully depthwise pooling levels
}

part_program() {
  local cpu
  cargo build --target "$target" -p lorgnette-cli
  for cpu in "${cpus[@]}"; do
    echo "--- $cpu"
    python3 oracle/emulated.py "$CARGO_TARGET_DIR/program" --runner "$(runner "$cpu")" \
      --lorgnette "${LORGNETTE:-target/ci/lorgnette}" --emulated "$CARGO_TARGET_DIR/$target/debug/lorgnette"
  done
}

part_instructions() {
  # With the names of functions.
  CARGO_PROFILE_RELEASE_STRIP=none cargo build --release -p lorgnette-kernels --example layer --target "$target"
  cp "$CARGO_TARGET_DIR/$target/release/examples/layer" "$CARGO_TARGET_DIR/layer"
  "${CC:-cc}" -O2 -Wall -shared -fPIC -o "$CARGO_TARGET_DIR/libcount.so" bench/arm/count.c
  LORGNETTE_ARM_TARGET_DIR=$CARGO_TARGET_DIR python3 bench/arm/instructions.py --markdown
}

if [ $# = 0 ]; then set -- kernels networks program; fi
for part; do declare -F "part_$part" >/dev/null || { echo "no part is called $part" >&2; exit 2; }; done
for part; do "part_$part"; done
