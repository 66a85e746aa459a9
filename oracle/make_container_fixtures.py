#!/usr/bin/env python3
"""Writes crates/lorgnette/tests/containers/: small HEIC, JPEG XL and TIFF files, each with a PNG of its pixels by Pillow.

    oracle/make_container_fixtures.py

Needs pillow 12.3.0, pillow-heif 1.8.1 (libheif) and pillow-jxl-plugin (libjxl). The photo is a part of photos/chelsea.jpg.
"""

from pathlib import Path

import pillow_heif
import pillow_jxl  # noqa: F401, registers the format
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "crates/lorgnette/tests/containers"


def turned(photo):
    """The photo with a note that it is to be turned, which pillow-heif writes as irot."""
    copy, exif = photo.copy(), Image.Exif()
    exif[274] = 6
    copy.info["exif"] = exif.tobytes()
    return copy


def main():
    pillow_heif.register_heif_opener()
    OUT.mkdir(exist_ok=True)
    photo = Image.open(ROOT / "photos/chelsea.jpg").convert("RGB").crop((120, 60, 216, 132))
    grey = photo.convert("L")
    files = {
        "chroma_444.heic": (photo, {"quality": 80, "chroma": "444"}),
        "chroma_420.heic": (photo, {"quality": 80, "chroma": "420"}),
        "turned.heic": (turned(photo), {"quality": 80, "chroma": "444"}),
        "lossless.jxl": (photo, {"lossless": True}),
        "lossy.jxl": (photo, {"quality": 85}),
        "grey.jxl": (grey, {"lossless": True}),
        "palette_lzw.tif": (photo.quantize(16), {"compression": "tiff_lzw"}),
        "deflate_big.tif": (photo, {"compression": "tiff_adobe_deflate", "big_tiff": True}),
        "grey_alpha_packbits.tif": (Image.merge("LA", (grey, grey.point(lambda v: 255 - v))), {"compression": "packbits"}),
        "ycbcr.tif": (photo, {"compression": "jpeg", "quality": 90}),
    }
    for name, (image, options) in files.items():
        image.save(OUT / name, **options)
        written = Image.open(OUT / name)
        if written.mode == "LA":
            written = written.getchannel("L")
        written.convert("RGB").save(OUT / (name + ".png"))
        print(name, written.size, (OUT / name).stat().st_size)


if __name__ == "__main__":
    main()
