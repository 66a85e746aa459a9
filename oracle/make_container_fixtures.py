#!/usr/bin/env python3
"""Writes photos as cameras, telephones, scanners and programs write them, each with a PNG of its pixels by Pillow.

    oracle/photos_environment.sh DIR && DIR/bin/python oracle/make_container_fixtures.py
    DIR/bin/python oracle/make_container_fixtures.py --out FOLDER --photo PHOTO [--size 612x410]

Without options it writes crates/lorgnette/tests/containers/ of a part of photos/chelsea.jpg; with them the same files of
another photo, larger, for `.ci/run photos`. `cargo test -p lorgnette --features heic,avif,jxl --test containers` compares
what is in that folder, or in $LORGNETTE_CONTAINERS, with the PNGs.

HEIC is written and read by pillow-heif (libheif), JPEG XL by pillow-jxl-plugin (libjxl), AVIF by Pillow's libavif and by
avifenc of Debian's libavif-bin and cjxl of libjxl-tools where Pillow cannot write a kind; TIFF and JPEG by Pillow's libtiff and libjpeg-turbo.
"""

import argparse
import io
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401, registers the format
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parent.parent
DATE = "2024:05:06 07:08:09"
DESCRIPTION, ORIENTATION, TAKEN = 0x010E, 0x0112, 0x9003


def exif(orientation=1):
    block = Image.Exif()
    block[ORIENTATION] = orientation
    # In no blurred copy: tests/single_picture.rs looks for it.
    block[DESCRIPTION] = "SECRET"
    block.get_ifd(0x8769)[TAKEN] = DATE
    return block.tobytes()


def xmp(orientation):
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
            f'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}">SECRET</rdf:Description></rdf:RDF></x:xmpmeta>').encode()


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def read(data):
    """The pixels of the first picture, upright."""
    image = Image.open(io.BytesIO(data))
    image.load()
    image = ImageOps.exif_transpose(image)
    return image.getchannel(0) if image.mode in ("LA", "La") else image


# ---- HEIC ----

def heic(photo, **options):
    return saved(photo, "HEIF", quality=80, **options)


def heics(photo):
    grey = photo.convert("L")
    opaque = Image.merge("RGBA", (*photo.split(), grey.point(lambda level: 255 - level)))
    deep = np.asarray(photo).astype(np.uint16) * 257
    ten = pillow_heif.from_bytes("RGB;16", photo.size, deep.tobytes())
    ten_bits = io.BytesIO()
    pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    ten.save(ten_bits, quality=80, chroma=444)
    yield "chroma_444.heic", heic(photo, chroma="444")
    yield "chroma_422.heic", heic(photo, chroma="422")
    yield "chroma_420.heic", heic(photo, chroma="420")
    yield "grey.heic", heic(grey)
    yield "alpha.heic", heic(opaque, chroma="444")
    yield "ten_bits.heic", ten_bits.getvalue()
    # pillow-heif writes irot for the orientation.
    yield "turned.heic", heic(with_exif(photo, 6), chroma="444")
    yield "mirrored.heic", heic(with_exif(photo, 5), chroma="444")
    yield "everything.heic", heic(photo, chroma="444", exif=exif(), xmp=xmp(1), thumbnails=[32])


def with_exif(photo, orientation):
    copy = photo.copy()
    copy.info["exif"] = exif(orientation)
    return copy


# ---- AVIF ----

def avif(photo, **options):
    return saved(photo, "AVIF", quality=80, speed=8, **options)


def avifenc(photo, *options):
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "photo.png", Path(folder) / "photo.avif"
        photo.save(source)
        subprocess.run(["avifenc", "--speed", "8", "--jobs", "1", *options, source, out], check=True, capture_output=True)
        return out.read_bytes()


def avifs(photo):
    grey = photo.convert("L")
    transparent = Image.merge("RGBA", (*photo.split(), grey.point(lambda level: 128 + level // 2)))
    even = photo.crop((0, 0, photo.width // 4 * 4, photo.height // 4 * 4))
    yield "chroma_444.avif", avif(photo, subsampling="4:4:4")
    yield "chroma_422.avif", avif(photo, subsampling="4:2:2")
    yield "chroma_420.avif", avif(photo, subsampling="4:2:0")
    yield "even_420.avif", avif(even, subsampling="4:2:0")
    yield "grey.avif", avif(grey.convert("RGB"), subsampling="4:0:0")
    yield "limited_444.avif", avif(photo, subsampling="4:4:4", range="limited")
    yield "limited_420.avif", avif(photo, subsampling="4:2:0", range="limited")
    yield "limited_grey.avif", avif(grey.convert("RGB"), subsampling="4:0:0", range="limited")
    yield "alpha.avif", avif(transparent, subsampling="4:4:4")
    yield "alpha_420.avif", avif(transparent, subsampling="4:2:0")
    for orientation in range(2, 9):
        yield f"turned_{orientation}.avif", avif(photo, subsampling="4:4:4", exif=exif(orientation))
    yield "ten_bits_444.avif", avifenc(photo, "-d", "10", "-y", "444")
    yield "ten_bits_420.avif", avifenc(photo, "-d", "10", "-y", "420")
    yield "twelve_bits_444.avif", avifenc(photo, "-d", "12", "-y", "444")
    yield "ten_bits_limited_420.avif", avifenc(photo, "-d", "10", "-y", "420", "-r", "limited")
    yield "ten_bits_grey.avif", avifenc(photo, "-d", "10", "-y", "400")
    yield "bt709.avif", avifenc(photo, "-y", "444", "--cicp", "1/13/1")
    yield "bt709_limited.avif", avifenc(photo, "-y", "420", "-r", "limited", "--cicp", "1/13/1")
    yield "bt2020.avif", avifenc(photo, "-y", "444", "--cicp", "9/13/9")
    yield "identity.avif", avifenc(photo, "--lossless")
    yield "ycgco.avif", avifenc(photo, "-y", "444", "--cicp", "1/13/8")
    yield "film_grain.avif", avifenc(photo, "-y", "420", "-a", "film-grain-test=5")
    larger = even.resize((160, 144), Image.LANCZOS) if even.width < 160 else even.crop((0, 0, even.width // 4 * 4, even.height // 4 * 4))
    yield "grid_420.avif", avifenc(larger, "-y", "420", "--grid", "2x2")
    yield "grid_444.avif", avifenc(larger, "-y", "444", "--grid", "2x2")


def cropped(photo):
    """A file with a clean aperture, which Pillow does not apply, and the part that it shows."""
    width, height = photo.width - 20, photo.height - 14
    # The middle is moved by 4 and -3 pixels.
    whole = avifenc(photo, "-y", "444", "--crop", f"{10 + 4},{7 - 3},{width},{height}")
    left, top = 10 + 4, 7 - 3
    return whole, read(whole).crop((left, top, left + width, top + height))


# ---- JPEG XL ----

def jxls(photo):
    grey = photo.convert("L")
    transparent = Image.merge("RGBA", (*photo.split(), grey))
    yield "lossless.jxl", saved(photo, "JXL", lossless=True)
    yield "lossy.jxl", saved(photo, "JXL", quality=85)
    yield "grey.jxl", saved(grey, "JXL", lossless=True)
    yield "alpha.jxl", saved(transparent, "JXL", lossless=True)
    yield "everything.jxl", saved(photo, "JXL", lossless=True, exif=exif(), xmp=xmp(1))


def turned_jxls(photo):
    """JPEGs made into JPEG XL by cjxl, which says in the codestream how they are turned; with djxl's pixels."""
    for orientation in (3, 6):
        with tempfile.TemporaryDirectory() as folder:
            source, out, back = (Path(folder) / name for name in ("photo.jpg", "photo.jxl", "photo.png"))
            source.write_bytes(saved(photo, "JPEG", quality=90, exif=exif(orientation)))
            for words in (["cjxl", source, out], ["djxl", out, back]):
                subprocess.run(words, check=True, capture_output=True)
            yield f"turned_{orientation}.jxl", out.read_bytes(), Image.open(back).convert("RGB")
    # EXIF alone turns no JPEG XL, though Pillow turns it.
    exif_alone = saved(photo, "JXL", lossless=True, exif=exif(6))
    yield "exif_alone.jxl", exif_alone, photo


# ---- TIFF ----

def tiff_of(entries, data):
    """A little-endian TIFF of one directory; `data` are the strips or tiles, whose offsets are put into an entry."""
    at, offsets = 8, []
    for part in data:
        offsets.append(at)
        at += len(part) + len(part) % 2
    body = b"".join(part + b"\0" * (len(part) % 2) for part in data)
    entries = {tag: offsets if values is None else values for tag, values in entries.items()}
    directory, values = b"", b""
    values_at = at + 2 + 12 * len(entries) + 4
    for tag, numbers in sorted(entries.items()):
        kind = 4 if tag in (273, 279, 324, 325) else 3
        packed = b"".join(struct.pack("<I" if kind == 4 else "<H", number) for number in numbers)
        if len(packed) > 4:
            field = struct.pack("<I", values_at + len(values))
            values += packed + b"\0" * (len(packed) % 2)
        else:
            field = packed.ljust(4, b"\0")
        directory += struct.pack("<HHI", tag, kind, len(numbers)) + field
    return b"II*\0" + struct.pack("<I", at) + body + struct.pack("<H", len(entries)) + directory + bytes(4) + values


def four_bits(photo):
    palette = photo.quantize(16)
    indices = np.asarray(palette)
    indices = np.pad(indices, ((0, 0), (0, indices.shape[1] % 2)))
    strip = (indices[:, ::2] << 4 | indices[:, 1::2]).astype(np.uint8).tobytes()
    colours = np.zeros(48, dtype=int)
    stored = palette.getpalette()[:48]
    colours[:len(stored)] = stored
    colour_map = [int(level) * 257 for channel in range(3) for level in colours[channel::3]]
    width, height = photo.size
    return tiff_of({256: [width], 257: [height], 258: [4], 259: [1], 262: [3], 273: None, 277: [1], 278: [height],
                    279: [len(strip)], 320: colour_map}, [strip])


def planar_tiles(photo):
    pixels = np.asarray(photo)
    height, width, _ = pixels.shape
    down, across = -(-height // 16), -(-width // 16)
    padded = np.pad(pixels, ((0, down * 16 - height), (0, across * 16 - width), (0, 0)), mode="edge")
    tiles = [zlib.compress(padded[16 * y:16 * y + 16, 16 * x:16 * x + 16, channel].tobytes())
             for channel in range(3) for y in range(down) for x in range(across)]
    return tiff_of({256: [width], 257: [height], 258: [8, 8, 8], 259: [8], 262: [2], 277: [3], 284: [2], 322: [16], 323: [16],
                    324: None, 325: [len(tile) for tile in tiles]}, tiles)


# Of T.4: 1 for two dimensions, 4 for marks that end at bytes.
GROUP_3_OPTIONS = 292
FAXES = [("huffman", "tiff_ccitt", 0), ("group3", "group3", 0), ("group3_2d", "group3", 1), ("group3_2d_filled", "group3", 5), ("group4", "group4", 0)]


def tiffs(photo):
    grey = photo.convert("L")
    yield "palette_lzw.tif", saved(photo.quantize(16), "TIFF", compression="tiff_lzw")
    yield "deflate_big.tif", saved(photo, "TIFF", compression="tiff_adobe_deflate", big_tiff=True)
    yield "grey_alpha_packbits.tif", saved(Image.merge("LA", (grey, grey.point(lambda v: 255 - v))), "TIFF", compression="packbits")
    yield "ycbcr.tif", saved(photo, "TIFF", compression="jpeg", quality=90)
    yield "four_bits.tif", four_bits(photo)
    yield "planar_tiles.tif", planar_tiles(photo)
    # A bit a pixel: dithered, whose runs are short, and in two colours, whose rows are like the ones above.
    dithered, plain = photo.convert("1"), grey.point(lambda level: 255 * (level > 110)).convert("1")
    for name, compression, options in FAXES:
        yield f"fax_{name}.tif", saved(plain, "TIFF", compression=compression, tiffinfo={GROUP_3_OPTIONS: options})
        yield f"fax_{name}_dithered.tif", saved(dithered, "TIFF", compression=compression, tiffinfo={GROUP_3_OPTIONS: options})
    yield "turned.tif", saved(photo, "TIFF", tiffinfo={ORIENTATION: 6})
    yield "turned_by_xmp.tif", saved(photo, "TIFF", tiffinfo={700: xmp(6)})


# ---- JPEG, MPO, PNG, WebP ----

def segments(data):
    """(marker, start, end) of a JPEG's segments before the scan."""
    at = 2
    while True:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2:at + 4])[0]
        yield marker, at, at + 2 + length
        if marker == 0xDA:
            return
        at += 2 + length


def without_huffman_tables(data):
    """A frame of Motion-JPEG: the tables are those of the standard and left out."""
    kept, at = data[:2], 2
    for marker, start, end in segments(data):
        kept += data[start:end] if marker != 0xC4 else b""
        at = end
    return kept + data[at:]


def restarts(data):
    """Where the restart markers are."""
    scan = [end for marker, _, end in segments(data) if marker == 0xDA][0]
    return [at for at in range(scan, len(data) - 1) if data[at] == 0xFF and 0xD0 <= data[at + 1] <= 0xD7]


def damaged(data):
    """JPEGs with a damaged scan, which libjpeg takes up again at a restart marker."""
    marks = restarts(data)
    third, fourth, fifth = marks[2], marks[3], marks[4]
    yield "a_piece_lost", data[:third] + data[fourth:]
    yield "two_pieces_lost", data[:third] + data[fifth:]
    yield "a_piece_doubled", data[:fourth] + data[third:]
    middle = (third + fourth) // 2
    yield "bits_flipped", data[:middle] + bytes(byte ^ 0x55 if byte not in (0xFF, 0xAA, 0) else byte for byte in data[middle:middle + 4]) + data[middle + 4:]
    yield "a_mark_lost", data[:third] + data[third + 2:]
    yield "another_mark", data[:third + 1] + bytes([0xD0 + (data[third + 1] - 0xD0 + 3) % 8]) + data[third + 2:]
    yield "zeros", data[:third + 4] + bytes(6) + data[third + 10:]


def jpegs(photo):
    other = ImageOps.mirror(photo)
    yield "motion.jpg", without_huffman_tables(saved(photo, "JPEG", quality=90, subsampling="4:2:2", optimize=False))
    whole = saved(photo, "JPEG", quality=80, restart_marker_blocks=2)
    for name, data in damaged(whole):
        yield f"restart_{name}.jpg", data
    yield "two_pictures.mpo", saved(photo, "MPO", save_all=True, append_images=[other], quality=90)
    yield "turned_by_xmp.jpg", saved(photo, "JPEG", quality=90, xmp=xmp(6))
    yield "exif_before_xmp.jpg", saved(photo, "JPEG", quality=90, exif=exif(3), xmp=xmp(6))
    yield "upright_by_exif.jpg", saved(photo, "JPEG", quality=90, exif=exif(1), xmp=xmp(6))


def png_chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def pngs(photo):
    whole = saved(photo, "PNG")
    block = exif(6)
    block = block.removeprefix(b"Exif\0\0")
    end = len(whole) - 12
    text = b"XML:com.adobe.xmp\0"
    yield "exif_first.png", whole[:33] + png_chunk(b"eXIf", block) + whole[33:]
    yield "exif_last.png", whole[:end] + png_chunk(b"eXIf", block) + whole[end:]
    yield "exif_prefix.png", whole[:33] + png_chunk(b"eXIf", b"Exif\0\0" + block) + whole[33:]
    yield "xmp.png", whole[:33] + png_chunk(b"iTXt", text + b"\0\0\0\0" + xmp(6)) + whole[33:]
    yield "xmp_compressed.png", whole[:33] + png_chunk(b"iTXt", text + b"\1\0\0\0" + zlib.compress(xmp(6))) + whole[33:]


def webps(photo):
    block = exif(6).removeprefix(b"Exif\0\0")
    yield "exif.webp", saved(photo, "WEBP", lossless=True, exif=block)
    yield "exif_prefix.webp", saved(photo, "WEBP", lossless=True, exif=b"Exif\0\0" + block)
    yield "xmp.webp", saved(photo, "WEBP", lossless=True, xmp=xmp(6))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "crates/lorgnette/tests/containers")
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--size", default="612x411")
    arguments = parser.parse_args()
    pillow_heif.register_heif_opener()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.photo:
        size = tuple(int(side) for side in arguments.size.split("x"))
        photo = ImageOps.fit(Image.open(arguments.photo).convert("RGB"), size)
    else:
        # Odd, so that no row ends on a block or on a sample of chroma.
        photo = Image.open(ROOT / "photos/chelsea.jpg").convert("RGB").crop((120, 60, 215, 131))
    names = set()

    def write(name, data, pixels):
        (arguments.out / name).write_bytes(data)
        pixels.convert("RGB").save(arguments.out / (name + ".png"))
        names.update((name, name + ".png"))

    for maker in (heics, avifs, jxls, tiffs, jpegs, pngs, webps):
        for name, data in maker(photo):
            write(name, data, read(data))
    write("cropped.avif", *cropped(photo))
    for name, data, pixels in turned_jxls(photo):
        write(name, data, pixels)
    for file in arguments.out.iterdir():
        if file.name not in names:
            print(f"no longer made: {file.name}", file=sys.stderr)
    print(f"{len(names) // 2} files, {sum(file.stat().st_size for file in arguments.out.iterdir()) >> 10} KiB")


if __name__ == "__main__":
    main()
