#!/usr/bin/env bash
# Builds the module, and the page with its networks in the folder site, which any server of files can serve.
#   packages/web/build.sh [--debian]
# It needs the Rust target wasm32-unknown-unknown (`rustup target add wasm32-unknown-unknown`). Without it, or with
# --debian, it takes Debian's rustc-web, rust-web-src and lld-16, and builds the standard library from its source.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../.. && pwd)
export CARGO_TARGET_DIR=${LORGNETTE_WASM_TARGET_DIR:-$root/target/web}
target=wasm32-unknown-unknown

has_target() { [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$target/lib" ]; }
has_debian() { [ -x /usr/bin/rustc ] && [ -x /usr/bin/wasm-ld-16 ] && [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library" ]; }

# Builds one module with the WebAssembly features of its name.
build() {
  local name=$1 flags="-C target-feature=$2"
  local command=(cargo build --manifest-path "$root/Cargo.toml" --profile web --package lorgnette-web --target "$target")
  if [ "$from" = rustup ]; then
    RUSTFLAGS=$flags "${command[@]}"
  else
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags -C linker=/usr/bin/wasm-ld-16 -C linker-flavor=wasm-ld" \
      "${command[@]}" -Zbuild-std=std,panic_abort
  fi
  cp "$CARGO_TARGET_DIR/$target/web/lorgnette_web.wasm" "$name.wasm"
}

if [ "${1-}" != --debian ] && has_target; then
  from=rustup
elif has_debian; then
  from=debian
else
  echo "the modules need a Rust target: rustup target add $target" >&2
  echo 'or, on Debian as root: apt-get install --no-install-recommends rustc-web rust-web-src lld-16' >&2
  exit 3
fi
build lorgnette +simd128

# The page: everything that it needs, and nothing from elsewhere.
rm -rf site && mkdir -p site/networks
cp page/* lorgnette.js engine.js worker.js networks.js ./*.wasm site
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
loaded() { cat "$1" lorgnette.js engine.js worker.js networks.js page/*.js page/*.html page/*.css; }
for module in lorgnette.wasm; do
  echo "$module: $(wc -c <"$module") bytes; with all scripts $(loaded "$module" | gzip -9 | wc -c) bytes by gzip"
done
