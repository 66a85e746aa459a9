#!/usr/bin/env bash
# Builds the modules, and the page with its networks in the folder site, which any server of files can serve.
#   packages/web/build.sh [--debian] [MODULE...]     by default lorgnette, lorgnette-relaxed and lorgnette-threads
# It needs the Rust target wasm32-unknown-unknown (`rustup target add wasm32-unknown-unknown`), and for threads the
# standard library's source (`rustup component add rust-src`). Without the target, or with --debian, it takes Debian's
# rustc-web, rust-web-src and lld-16, and builds the standard library from its source.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../.. && pwd)
export CARGO_TARGET_DIR=${LORGNETTE_WASM_TARGET_DIR:-$root/target/web}
target=wasm32-unknown-unknown
debian=
if [ "${1-}" = --debian ]; then debian=yes; shift; fi
modules=("${@:-lorgnette lorgnette-relaxed lorgnette-threads}")
read -ra modules <<<"${modules[*]}"

has_target() { [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$target/lib" ]; }
has_source() { [ -d "$("$1" --print sysroot)/lib/rustlib/src/rust/library" ]; }
has_debian() { [ -x /usr/bin/rustc ] && [ -x /usr/bin/wasm-ld-16 ] && has_source /usr/bin/rustc; }

# The WebAssembly features of a module.
features() {
  case $1 in
    lorgnette) echo +simd128 ;;
    lorgnette-relaxed) echo +simd128,+relaxed-simd ;;
    lorgnette-threads) echo +simd128,+relaxed-simd,+atomics,+bulk-memory,+mutable-globals ;;
    *) echo "no module is called $1" >&2; return 2 ;;
  esac
}

# Builds one module.
build() {
  local name=$1 flags command
  # Loop strength reduction turns the offsets of loads into additions, one for each load of a tile.
  flags="-C target-feature=$(features "$name") -C llvm-args=-disable-lsr"
  command=(cargo build --manifest-path "$root/Cargo.toml" --profile web --package lorgnette-web --target "$target")
  if [ "$from" = debian ]; then
    export RUSTC=/usr/bin/rustc
    flags+=" -C linker=/usr/bin/wasm-ld-16 -C linker-flavor=wasm-ld"
  fi
  if [ "$name" = lorgnette-threads ]; then
    # engine.js makes the memory, of 512 to 65536 pages, and gives each thread its stack and its variables.
    for argument in --shared-memory --import-memory --initial-memory=33554432 --max-memory=4294967296 \
      --export=__stack_pointer --export=__wasm_init_tls --export=__tls_size --export=__tls_align --export=__tls_base; do
      flags+=" -C link-arg=$argument"
    done
  fi
  # The standard library of rustup's target has no atomics.
  if [ "$from" = debian ] || [ "$name" = lorgnette-threads ]; then
    export RUSTC_BOOTSTRAP=1
    command+=(-Zbuild-std=std,panic_abort)
  fi
  RUSTFLAGS=$flags "${command[@]}"
  cp "$CARGO_TARGET_DIR/$target/web/lorgnette_web.wasm" "$name.wasm"
}

if [ -z "$debian" ] && has_target; then
  from=rustup
elif has_debian; then
  from=debian
else
  echo "the modules need a Rust target: rustup target add $target" >&2
  echo 'or, on Debian as root: apt-get install --no-install-recommends rustc-web rust-web-src lld-16' >&2
  exit 3
fi
for module in "${modules[@]}"; do
  if [ "$module" = lorgnette-threads ] && [ "$from" = rustup ] && ! has_source rustc; then
    echo 'lorgnette-threads is left out: it needs rustup component add rust-src' >&2
    rm -f lorgnette-threads.wasm
    continue
  fi
  (build "$module")
done

# The page: everything that it needs, and nothing from elsewhere.
rm -rf site && mkdir -p site/networks
cp page/* lorgnette.js engine.js worker.js thread.js networks.js ./*.wasm site
for network in mobilenet_v1_1.0_224.pb centerface.onnx; do
  cp "$root/crates/lorgnette/models/$network" site/networks
done
(
  cd site
  describe() { printf '  "%s": { "file": "networks/%s", "sha256": "%s" }' "$1" "$2" "$(sha256sum "networks/$2" | cut -d' ' -f1)"; }
  printf '{\n%s,\n%s\n}\n' "$(describe model mobilenet_v1_1.0_224.pb)" "$(describe faces centerface.onnx)" >networks.json
  # The service worker keeps one version of the page's files: its own bytes change with any of them.
  version=$(cat index.html ./*.css ./*.js ./*.json ./*.wasm | sha256sum | cut -c1-16)
  sed -i "s/@VERSION@/$version/" service-worker.js
)

# A browser loads one of the modules, and all scripts.
loaded() { cat "$1" lorgnette.js engine.js worker.js thread.js networks.js page/*.js page/*.html page/*.css; }
for module in ./*.wasm; do
  echo "$(basename "$module"): $(wc -c <"$module") bytes; with all scripts $(loaded "$module" | gzip -9 | wc -c) bytes by gzip"
done
