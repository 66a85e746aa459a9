#!/usr/bin/env bash
# Writes crates/lorgnette/fonts: two weights of Inter, cut to the letters of European labels.
#   oracle/make_fonts.sh    (needs python3 with venv; downloads fontpkg-inter and fonttools from PyPI)
set -euo pipefail
fonts=$(cd "$(dirname "$0")/.." && pwd)/crates/lorgnette/fonts
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install -q 'fonttools==4.60.*' 'fontpkg-inter==4.1.post1'
package=$("$work/env/bin/python" -c 'import fontpkg_inter, pathlib; print(pathlib.Path(fontpkg_inter.__file__).parent)')
letters='U+0020-024F,U+0259,U+02BB-02BC,U+02C6-02DD,U+0300-036F,U+0370-03FF,U+0400-052F,U+1E00-1EFF,U+1F00-1FFF'
signs='U+2000-206F,U+2070-209F,U+20A0-20C0,U+2100-214F,U+2190-2199,U+2212,U+2260-2265,U+25A0-25CF,U+FFFD'
for style in Medium:500 SemiBold:650; do
    name=Inter-${style%:*}.ttf
    "$work/env/bin/fonttools" varLib.instancer "$package/files/Inter[opsz,wght].ttf" \
        "wght=${style#*:}" opsz=14 -o "$work/$name"
    "$work/env/bin/fonttools" subset "$work/$name" --unicodes="$letters,$signs" --layout-features='' \
        --drop-tables+=GPOS,GSUB,GDEF,STAT --no-hinting --no-glyph-names --notdef-outline --name-IDs='*' \
        --output-file="$fonts/$name"
done
cp "$package/LICENSE" "$fonts/LICENSE-Inter.txt"
