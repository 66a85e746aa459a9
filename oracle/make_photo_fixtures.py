#!/usr/bin/env python3
"""Writes crates/lorgnette/tests/photos: a small picture of every kind, depth and colour, and of every kind of damage.

    oracle/environment.sh DIR && DIR/bin/python oracle/make_photo_fixtures.py

    DIR/bin/python oracle/make_photo_fixtures.py --reduced      only reduced.json, of the files that are there

The truth of each is in truth.json: TensorFlow's pixels where TensorFlow reads the kind, else Pillow's; after the
orientation that EXIF asks for. The truth of JPEGs decoded at a half, a quarter and an eighth, before any orientation, is in
reduced.json: each one's height, width and CRC-32 of all its bytes. Everything is made from photos/chelsea.jpg (CC0).
"""

import io
import json
import os
import struct
import sys
import zlib
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "crates/lorgnette/tests/photos"
WIDTH, HEIGHT = 53, 37  # odd and prime: no row ends on a block or a byte
PROBES = 96

truth = {}


def photo(width=WIDTH, height=HEIGHT):
    whole = Image.open(ROOT / "photos/chelsea.jpg")
    return whole.crop((90, 40, 90 + 8 * WIDTH // 2, 40 + 8 * HEIGHT // 2)).resize((width, height), Image.LANCZOS)


def probes(samples):
    """Some samples at places any language finds again: a multiplicative walk over the flat picture."""
    flat = samples.reshape(-1)
    places = [(1 + i * 2654435761) % flat.size for i in range(PROBES)]
    return [[int(p), int(flat[p])] for p in places]


def note(name, samples, *, bits=8, mean=0.0, most=0, said_by="TensorFlow"):
    """Records the truth of one file; mean and most are the differences allowed, in levels."""
    samples = np.asarray(samples)
    if samples.shape[2] == 1:
        samples = np.repeat(samples, 3, axis=2)
    samples = samples[:, :, :3]
    truth[name] = {
        "height": samples.shape[0],
        "width": samples.shape[1],
        "bits": bits,
        "said_by": said_by,
        "mean_difference": mean,
        "most_difference": most,
        "channel_means": [round(float(m), 4) for m in samples.reshape(-1, 3).mean(axis=0)],
        "probes": probes(samples),
    }


def write(name, data):
    (OUT / name).write_bytes(data)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# ---- JPEG ----

JPEG = dict(mean=0.0, most=0)


def jpeg(name, data, **kind):
    write(name, data)
    note(name, tf.io.decode_jpeg(data, channels=kind.get("channels", 3)), **JPEG)


def segments(data):
    """(marker, start, end) of the segments before the scan; end is that of the segment."""
    at = 2
    while True:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        yield marker, at, at + 2 + length
        if marker == 0xDA:
            return
        at += 2 + length


def without(data, marker):
    for found, start, end in segments(data):
        if found == marker:
            return data[:start] + data[end:]
    raise ValueError("no such marker")


def patched(data, marker, offset, value):
    """The file with one byte of a segment changed; offset counts from the marker's first byte."""
    for found, start, _ in segments(data):
        if found == marker:
            return data[: start + offset] + bytes([value]) + data[start + offset + 1 :]
    raise ValueError("no such marker")


def separate_scans(image):
    """A sequential JPEG with a scan for each component: three grey files put together."""
    planes = [saved(plane, "JPEG", quality=90) for plane in image.convert("YCbCr").split()]
    head = planes[0]
    frame, _, scan = (next(place for place in segments(head) if place[0] == marker) for marker in (0xC0, 0xDA, 0xDA))
    body = head[: frame[1]] + b"\xff\xc0\x00\x11" + head[frame[1] + 4 : frame[1] + 9] + b"\x03"
    body += b"".join(bytes([component, 0x11, 0]) for component in (1, 2, 3)) + head[frame[2] : scan[1]]
    for component, plane in zip((1, 2, 3), planes):
        _, _, end = next(place for place in segments(plane) if place[0] == 0xDA)
        body += b"\xff\xda\x00\x08\x01" + bytes([component]) + b"\x00\x00\x3f\x00" + plane[end:-2]
    return body + b"\xff\xd9"


def cmyk(rgb):
    """Ink of a photo, with black taken out, so that K is not empty."""
    light = np.asarray(rgb).astype(np.float32)
    black = 255 - light.max(axis=2)
    ink = (255 - light - black[:, :, None]) / np.maximum(255 - black[:, :, None], 1) * 255
    return np.concatenate([ink, black[:, :, None]], axis=2).round().astype(np.uint8)


def jpegs():
    image = photo()
    for name, subsampling in (("444", "4:4:4"), ("422", "4:2:2"), ("420", "4:2:0")):
        jpeg(f"baseline_{name}.jpg", saved(image, "JPEG", quality=88, subsampling=subsampling))
        jpeg(f"progressive_{name}.jpg", saved(image, "JPEG", quality=88, subsampling=subsampling, progressive=True))
    jpeg("restart.jpg", saved(image, "JPEG", quality=80, restart_marker_blocks=3))
    jpeg("grey.jpg", saved(image.convert("L"), "JPEG", quality=88))
    jpeg("grey_progressive.jpg", saved(image.convert("L"), "JPEG", quality=88, progressive=True))
    jpeg("low_quality.jpg", saved(image, "JPEG", quality=12))
    jpeg("one_pixel.jpg", saved(image.resize((1, 1)), "JPEG"))
    jpeg("seven_by_five.jpg", saved(image.resize((7, 5)), "JPEG", subsampling="4:2:0"))
    jpeg("seventeen_wide.jpg", saved(image.resize((17, 33)), "JPEG", subsampling="4:2:2"))

    # Pillow writes three samplings. Blocks of an MCU in another arrangement make others, where the size is even.
    square = photo(48, 48)
    two, four = (saved(photo(side, side), "JPEG", subsampling=name) for side, name in ((48, "4:2:2"), (64, "4:2:0")))
    jpeg("sampling_440.jpg", patched(two, 0xC0, 11, 0x12))
    jpeg("sampling_411.jpg", patched(four, 0xC0, 11, 0x41))
    jpeg("sampling_141.jpg", patched(four, 0xC0, 11, 0x14))
    jpeg("separate_scans.jpg", separate_scans(square))

    rgb = saved(image, "JPEG", quality=88, keep_rgb=True)
    jpeg("rgb_adobe.jpg", rgb)
    jpeg("rgb_by_names.jpg", without(rgb, 0xEE))
    jpeg("adobe_says_ycck_of_three.jpg", patched(rgb, 0xEE, 15, 2))

    inks = Image.fromarray(cmyk(image), "CMYK")
    adobe = saved(inks, "JPEG", quality=88)
    jpeg("cmyk_adobe.jpg", adobe)
    jpeg("cmyk_plain.jpg", without(adobe, 0xEE))
    jpeg("cmyk_progressive.jpg", saved(inks, "JPEG", quality=88, progressive=True))
    # YCCK stores the YCbCr of the complement of CMY, with K inverted as Adobe does.
    stored = np.asarray(inks).copy()
    complement = Image.fromarray(255 - (255 - stored[:, :, :3])).convert("YCbCr")
    stored[:, :, :3] = 255 - np.asarray(complement)
    jpeg("ycck.jpg", patched(saved(Image.fromarray(stored, "CMYK"), "JPEG", quality=92), 0xEE, 15, 2))
    jpeg("adobe_says_ycbcr_of_four.jpg", patched(adobe, 0xEE, 15, 1))

    whole = saved(image, "JPEG", quality=80)
    jpeg("garbage_after_the_end.jpg", whole + b"\xff\xd8 garbage \x00\xff" * 20)
    jpeg("jpeg_called.png", whole)
    thumbnail = saved(image.resize((16, 11)), "JPEG")
    segment = b"Exif\0\0" + thumbnail
    jpeg("end_marker_in_a_segment.jpg", whole[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + whole[2:])


def orientations():
    image = photo(40, 24)
    for value in range(1, 9):
        exif = Image.Exif()
        exif[274] = value
        for kind, name, options in (
            ("JPEG", f"orientation_{value}.jpg", dict(quality=90, subsampling="4:2:0")),
            ("PNG", f"orientation_{value}.png", {}),
            ("WEBP", f"orientation_{value}.webp", dict(lossless=True)),
            ("TIFF", f"orientation_{value}.tiff", dict(compression="tiff_lzw")),
        ):
            if kind not in ("JPEG", "PNG") and value not in (3, 6):
                continue
            data = saved(image, kind, exif=exif, **options)
            write(name, data)
            stored = Image.open(io.BytesIO(data))
            turned = ImageOps.exif_transpose(stored)
            limits = JPEG if kind == "JPEG" else {}
            if kind == "JPEG":
                pixels = tf.io.decode_jpeg(data).numpy()
                turned = ImageOps.exif_transpose(with_exif(pixels, exif))
            note(name, np.asarray(turned.convert("RGB")), said_by="Pillow's exif_transpose", **limits)


def with_exif(pixels, exif):
    """Pillow turns only pictures that came with their EXIF: send the pixels through a lossless file."""
    return Image.open(io.BytesIO(saved(Image.fromarray(pixels), "PNG", exif=exif)))


# ---- PNG ----


def png_file(width, height, depth, colour, rows, extra=b"", interlaced=False):
    def chunk(tag, body):
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def png_rows(samples, depth):
    """Filterless rows of a [height, width, channels] array."""
    rows = b""
    for row in samples:
        flat = row.reshape(-1)
        if depth == 16:
            body = flat.astype(">u2").tobytes()
        elif depth == 8:
            body = flat.astype(np.uint8).tobytes()
        else:
            bits = "".join(format(int(v), f"0{depth}b") for v in flat)
            bits += "0" * (-len(bits) % 8)
            body = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        rows += b"\0" + body
    return rows


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def png(name, data, bits=8):
    write(name, data)
    dtype = tf.uint16 if bits == 16 else tf.uint8
    note(name, tf.io.decode_png(data, channels=3, dtype=dtype), bits=bits)


def deep(image, channels):
    """A sixteen-bit picture whose low bytes matter."""
    base = np.asarray(image.convert("RGB")).astype(np.uint32)
    if channels < 3:
        base = base.mean(axis=2, keepdims=True).astype(np.uint32)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    low = (x * 37 + y * 101)[:, :, None] % 256
    out = (base * 256 + low).astype(np.uint16)
    if channels in (2, 4):
        alpha = np.full((HEIGHT, WIDTH, 1), 30000, np.uint16)
        out = np.concatenate([out, alpha], axis=2)
    return out


def pngs():
    image = photo()
    rgb, grey = np.asarray(image), np.asarray(image.convert("L"))[:, :, None]
    for depth in (1, 2, 4):
        samples = grey >> (8 - depth)
        png(f"grey_{depth}_bit.png", png_file(WIDTH, HEIGHT, depth, 0, png_rows(samples, depth)))
    png("grey_8_bit.png", saved(image.convert("L"), "PNG"))
    png("rgb_8_bit.png", saved(image, "PNG"))
    for name, colour, channels in (("grey", 0, 1), ("grey_alpha", 4, 2), ("rgb", 2, 3), ("rgba", 6, 4)):
        data = png_file(WIDTH, HEIGHT, 16, colour, png_rows(deep(image, channels), 16))
        png(f"{name}_16_bit.png", data, bits=16)
    alpha = ((np.arange(WIDTH) * 5) % 256).astype(np.uint8)[None, :, None].repeat(HEIGHT, axis=0)
    png("rgba_8_bit.png", saved(Image.fromarray(np.concatenate([rgb, alpha], 2)), "PNG"))
    png("grey_alpha_8_bit.png", saved(Image.fromarray(np.concatenate([grey, alpha], 2)), "PNG"))
    indexed = image.quantize(200)
    png("palette_8_bit.png", saved(indexed, "PNG"))
    png("palette_4_bit.png", saved(image.quantize(13), "PNG", bits=4))
    png("palette_1_bit.png", saved(image.quantize(2), "PNG", bits=1))
    png("palette_transparent.png", saved(indexed, "PNG", transparency=7))
    passes = b"".join(png_rows(rgb[y0::dy, x0::dx], 8) for y0, x0, dy, dx in ADAM7)
    png("interlaced.png", png_file(WIDTH, HEIGHT, 8, 2, passes, interlaced=True))
    png("garbage_after_the_end.png", saved(image, "PNG") + b"garbage" * 9)
    png("png_called.jpg", saved(image, "PNG"))


# ---- the others ----


def pillow(name, data, mean=0.0, most=0, bits=8):
    write(name, data)
    image = Image.open(io.BytesIO(data))
    # Alpha is dropped, not blended.
    image = image.convert("RGBA") if image.mode in ("P", "PA") and "transparency" in image.info else image
    samples = np.asarray(image) if bits == 16 else np.asarray(image.convert("RGB"))
    note(name, samples if samples.ndim == 3 else samples[:, :, None], bits=bits, mean=mean, most=most, said_by="Pillow")


def gif(name, data):
    write(name, data)
    note(name, tf.io.decode_gif(data)[0])


def others():
    image = photo()
    indexed = image.quantize(120)
    gif("still.gif", saved(indexed, "GIF"))
    gif("transparent.gif", saved(indexed, "GIF", transparency=3))
    gif("interlaced.gif", saved(indexed, "GIF", interlace=1))
    frames = [image.quantize(60), ImageOps.mirror(image).quantize(60), ImageOps.flip(image).quantize(60)]
    gif("animated.gif", saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0))

    pillow("rgb_24_bit.bmp", saved(image, "BMP"))
    pillow("rgba_32_bit.bmp", saved(image.convert("RGBA"), "BMP"))
    pillow("palette_8_bit.bmp", saved(image.quantize(90), "BMP"))
    pillow("grey_1_bit.bmp", saved(image.convert("1"), "BMP"))

    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        pillow(f"rgb_{compression}.tiff", saved(image, "TIFF", compression=compression))
    pillow("grey.tiff", saved(image.convert("L"), "TIFF", compression="tiff_lzw"))
    pillow("rgba.tiff", saved(image.convert("RGBA"), "TIFF", compression="tiff_lzw"))
    pillow("grey_16_bit.tiff", saved(Image.fromarray(deep(image, 1)[:, :, 0]), "TIFF", compression="tiff_lzw"), bits=16)
    pillow("two_pages.tiff", saved(image, "TIFF", save_all=True, append_images=[ImageOps.mirror(image)], compression="tiff_lzw"))
    pillow("jpeg_inside.tiff", saved(image, "TIFF", compression="jpeg"), mean=1.0, most=12)

    pillow("lossless.webp", saved(image, "WEBP", lossless=True))
    pillow("lossy.webp", saved(image, "WEBP", quality=85), mean=0.4, most=8)
    pillow("alpha.webp", saved(Image.fromarray(np.concatenate([np.asarray(image), np.full((HEIGHT, WIDTH, 1), 99, np.uint8)], 2)), "WEBP", lossless=True, exact=True))
    frames = [image, ImageOps.mirror(image)]
    pillow("animated.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))


# ---- damage: files that must be refused ----


def damage():
    image = photo()
    baseline = saved(image, "JPEG", quality=80)
    progressive = saved(image, "JPEG", quality=80, progressive=True)
    write("empty.jpg", b"")
    write("text.jpg", "Ceci n'est pas une photo.\n".encode())
    write("web_page.jpg", b"<!DOCTYPE html>\n<html><title>404</title></html>\n")
    write("random.jpg", bytes((i * i * 31 + 7) % 251 for i in range(400)))
    write("truncated.jpg", baseline[: len(baseline) * 2 // 3])
    write("truncated_by_one.jpg", baseline[:-1])
    write("truncated_progressive.jpg", progressive[: len(progressive) * 2 // 3])
    write("header_only.jpg", baseline[:30])
    write("no_frame.jpg", b"\xff\xd8\xff\xd9")
    frame = next(start for marker, start, _ in segments(baseline) if marker == 0xC0)
    huge = struct.pack(">HH", 14000, 14000)
    write("promises_too_much.jpg", baseline[: frame + 5] + huge + baseline[frame + 9 :])
    write("no_height.jpg", baseline[: frame + 5] + b"\0\0" + baseline[frame + 7 :])
    write("twelve_bit.jpg", patched(patched(baseline, 0xC0, 4, 12), 0xC0, 1, 0xC1))
    write("arithmetic.jpg", patched(baseline, 0xC0, 1, 0xC9))
    data = saved(image, "PNG")
    write("truncated.png", data[: len(data) // 2])
    write("wrong_checksum.png", data[:60] + bytes([data[60] ^ 255]) + data[61:])
    write("huge.png", png_file(60000, 60000, 8, 2, b"\0" * 100))
    data = saved(image.quantize(60), "GIF")
    write("truncated.gif", data[: len(data) // 2])
    data = saved(image, "BMP")
    write("truncated.bmp", data[: len(data) // 2])
    data = saved(image, "TIFF")
    write("truncated.tiff", data[: len(data) // 2])
    data = saved(image, "WEBP", quality=80)
    write("truncated.webp", data[: len(data) // 2])
    write("photo.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))


# ---- JPEG at reduced sizes ----


def reduced():
    """TensorFlow's pixels at each ratio, for each transform, of every JPEG that we decode."""
    files = {name: (OUT / name).read_bytes() for name in sorted(json.loads((OUT / "truth.json").read_text()))}
    lines = []
    for name, data in files.items():
        if not data.startswith(b"\xff\xd8"):
            continue
        answers = {
            f"{transform} {ratio}": reduced_truth(data, ratio, method)
            for transform, method in (("fast", "INTEGER_FAST"), ("accurate", "INTEGER_ACCURATE"))
            for ratio in (2, 4, 8)
        }
        lines.append(f"{json.dumps(name)}: {json.dumps(answers)}")
    (OUT / "reduced.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(len(lines), "JPEGs at reduced sizes")


def reduced_truth(data, ratio, method):
    pixels = tf.io.decode_jpeg(data, channels=3, ratio=ratio, dct_method=method).numpy()
    return [*pixels.shape[:2], zlib.crc32(pixels.tobytes())]


def main():
    if sys.argv[1:] == ["--reduced"]:
        return reduced()
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    jpegs()
    orientations()
    pngs()
    others()
    damage()
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(truth[name])}" for name in sorted(truth))
    (OUT / "truth.json").write_text("{\n" + lines + "\n}\n")
    sizes = [path.stat().st_size for path in OUT.iterdir()]
    print(len(sizes), "files,", sum(sizes), "bytes, largest", max(sizes))
    reduced()


if __name__ == "__main__":
    main()
