#!/usr/bin/env python3
"""A folder with one photo of every format, through the program: pixels, orientation, times, what is skipped, blurred copies.

    oracle/photos_environment.sh DIR && DIR/bin/python oracle/every_format.py PHOTO WORK --lorgnette PROGRAM

PROGRAM is built with `--features heic,avif,jxl`; what it is built without is left out, and said. Every photo is stored turned and was taken at one time. Its pixels are compared
with those of Pillow, pillow-heif or djxl, and of a JPEG with those of djpeg (libjpeg-turbo) with the fast transform, which is
TensorFlow's; of a raw file with those of the JPEG that exiftool takes out of it; exiftool must agree that the raw files, which
are written here, are of their kinds. The tolerances are those of oracle/src/tolerance.rs, in levels of 255.
Then the folder is indexed, and what is no photo must be named; and every photo is blurred, and each copy must hold one picture.
"""

import argparse
import io
import json
import re
import shutil
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageOps

import make_container_fixtures as fixtures

ROOT = Path(__file__).resolve().parent.parent
DATE = fixtures.DATE
TURN = 6  # Stored on its side; upright is a quarter turn clockwise.
SECRET = b"SECRET"
MAKE, MODEL, ORIENTATION, EXIF_DIRECTORY, TAKEN = 0x010F, 0x0110, 0x0112, 0x8769, 0x9003
ASCII, SHORT, LONG, UNDEFINED = 2, 3, 4, 7


def tolerances():
    """Name: (average, largest) of oracle/src/tolerance.rs."""
    text = (ROOT / "oracle/src/tolerance.rs").read_text()
    found = re.findall(r"pub const (\w+): PixelTolerance = PixelTolerance \{ mean: ([\d.]+), largest: (\d+) \}", text)
    return {name: (float(mean), int(largest)) for name, mean, largest in found} | {"EXACT": (0.0, 0)}


# ---- Raw files ----

class Directories:
    """A little-endian file of directories, as TIFF and what is like it."""

    def __init__(self, start):
        self.out = bytearray(start)

    def put(self, data):
        self.out += bytes(len(self.out) % 2)
        at = len(self.out)
        self.out += data
        return at

    def directory(self, entries, following=0):
        fields = b""
        for tag, (kind, values) in sorted(entries.items()):
            if kind in (ASCII, UNDEFINED):
                data, count = values, len(values)
            else:
                data = b"".join(struct.pack("<H" if kind == SHORT else "<I", value) for value in values)
                count = len(values)
            field = struct.pack("<I", self.put(data)) if len(data) > 4 else data.ljust(4, b"\0")
            fields += struct.pack("<HHI", tag, kind, count) + field
        return self.put(struct.pack("<H", len(entries)) + fields + struct.pack("<I", following))

    def finish(self, first):
        struct.pack_into("<I", self.out, 4, first)
        return bytes(self.out)


def camera(file, make, model, **entries):
    """The entries that every camera writes, and more by tag."""
    details = file.directory({TAKEN: (ASCII, DATE.encode() + b"\0")})
    common = {MAKE: (ASCII, make.encode() + b"\0"), MODEL: (ASCII, model.encode() + b"\0"), ORIENTATION: (SHORT, [TURN]),
              EXIF_DIRECTORY: (LONG, [details])}
    return common | {int(tag[1:], 16): value for tag, value in entries.items()}


def sensor(file, compression):
    values = file.put(bytes(range(256)) * 2)
    return {0xFE: (LONG, [0]), 0x100: (LONG, [16]), 0x101: (LONG, [16]), 0x102: (SHORT, [16]), 0x103: (SHORT, [compression]),
            0x106: (SHORT, [32803]), 0x111: (LONG, [values]), 0x115: (SHORT, [1]), 0x116: (LONG, [16]), 0x117: (LONG, [512])}


def jpeg_of(file, jpeg):
    return {0x103: (SHORT, [6]), 0x201: (LONG, [file.put(jpeg)]), 0x202: (LONG, [len(jpeg)])}


def strip_of(file, jpeg, compression, size):
    return {0x100: (LONG, [size[0]]), 0x101: (LONG, [size[1]]), 0x102: (SHORT, [8, 8, 8]), 0x103: (SHORT, [compression]),
            0x106: (SHORT, [6]), 0x111: (LONG, [file.put(jpeg)]), 0x115: (SHORT, [3]), 0x116: (LONG, [size[1]]), 0x117: (LONG, [len(jpeg)])}


def thumbnail(file):
    values = file.put(bytes(4 * 4 * 3))
    return {"_FE": (LONG, [1]), "_100": (LONG, [4]), "_101": (LONG, [4]), "_102": (SHORT, [8, 8, 8]), "_103": (SHORT, [1]),
            "_106": (SHORT, [2]), "_111": (LONG, [values]), "_115": (SHORT, [3]), "_116": (LONG, [4]), "_117": (LONG, [48])}


def box(name, *contents):
    content = b"".join(contents)
    return struct.pack(">I", len(content) + 8) + name + content


def directories_alone(entries):
    file = Directories(b"II*\0" + bytes(4))
    return file.finish(file.directory(entries))


def raws(stored):
    """(name, file, its largest JPEG)."""
    jpeg, small = fixtures.saved(stored, "JPEG", quality=92), fixtures.saved(stored.resize((80, 60)), "JPEG")
    usual = b"II*\0" + bytes(4)
    lossless = b"\xff\xd8\xff\xc3\0\x0e\x0c\x0f\xa0\x17\x70\x02\0\x11\0\1\x11\0\xff\xd9"

    file = Directories(usual)
    below = [file.directory(sensor(file, 1)), file.directory({0xFE: (LONG, [1])} | strip_of(file, jpeg, 7, stored.size))]
    first = camera(file, "Google", "Pixel 8", **thumbnail(file), _14A=(LONG, below))
    first[0xC612] = (UNDEFINED, bytes([1, 4, 0, 0]))
    yield "IMG_0101.dng", file.finish(file.directory(first)), jpeg

    file = Directories(usual)
    below = [file.directory({0xFE: (LONG, [1])} | jpeg_of(file, jpeg)), file.directory(sensor(file, 34713))]
    first = camera(file, "NIKON CORPORATION", "NIKON D750", **thumbnail(file), _14A=(LONG, below))
    yield "DSC_0102.NEF", file.finish(file.directory(first)), jpeg

    file = Directories(b"II*\0" + bytes(4) + b"CR\2\0" + bytes(4))
    fourth = file.directory(strip_of(file, lossless, 6, (4000, 6000)))
    second = file.directory(jpeg_of(file, small), fourth)
    first = camera(file, "Canon", "Canon EOS 5D Mark III") | strip_of(file, jpeg, 6, stored.size)
    yield "IMG_0103.CR2", file.finish(file.directory(first, second)), jpeg

    file = Directories(usual)
    below = [file.directory(sensor(file, 32767))]
    first = camera(file, "SONY", "ILCE-7M3", _14A=(LONG, below), _FE=(LONG, [1])) | jpeg_of(file, jpeg)
    yield "DSC00104.ARW", file.finish(file.directory(first)), jpeg

    file = Directories(usual)
    third = file.directory(jpeg_of(file, jpeg))
    second = file.directory(jpeg_of(file, small), third)
    first = camera(file, "PENTAX", "PENTAX K-1") | sensor(file, 65535)
    yield "IMGP0105.PEF", file.finish(file.directory(first, second)), jpeg

    # Olympus keeps its preview in the maker's note, where offsets count from the note.
    file = Directories(b"IIRO" + bytes(4))
    note = Directories(b"OLYMPUS\0II\3\0")
    settings = note.directory({0x100: (LONG, [1]), 0x101: (LONG, [note.put(jpeg)]), 0x102: (LONG, [len(jpeg)])})
    # The directory of a note is right behind its beginning.
    entry = struct.pack("<HHHI", 1, 0x2020, 13, 1) + struct.pack("<I", settings + 18) + bytes(4)
    shifted = bytearray(note.out[12:])
    note = bytes(b"OLYMPUS\0II\3\0") + entry + shifted_offsets(shifted, len(entry))
    first = camera(file, "OLYMPUS CORPORATION", "E-M1MarkII") | sensor(file, 1)
    details = file.directory({TAKEN: (ASCII, DATE.encode() + b"\0"), 0x927C: (UNDEFINED, note)})
    first[EXIF_DIRECTORY] = (LONG, [details])
    yield "P0000106.ORF", file.finish(file.directory(first)), jpeg

    file = Directories(b"IIU\0" + bytes(4) + bytes.fromhex("88e774d8f8251d4d947a6e77822b5d6a"))
    first = camera(file, "Panasonic", "DC-G9") | {0x2: (SHORT, [16]), 0x3: (SHORT, [16]), 0x2E: (UNDEFINED, jpeg)}
    yield "P0000107.RW2", file.finish(file.directory(first)), jpeg

    turned = fixtures.saved(stored, "JPEG", quality=92, exif=fixtures.exif(TURN))
    head = b"FUJIFILMCCD-RAW 0201FF383501" + b"X-T3".ljust(32, b"\0") + b"0100" + bytes(20)
    start = len(head) + 24
    yield "DSCF0108.RAF", head + struct.pack(">6I", start, len(turned), start + len(turned), 0, start + len(turned), 512) + turned + bytes(512), turned

    uuid, preview_uuid = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48"), bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
    main = directories_alone({MAKE: (ASCII, b"Canon\0"), MODEL: (ASCII, b"Canon EOS R5\0"), ORIENTATION: (SHORT, [TURN])})
    details = directories_alone({TAKEN: (ASCII, DATE.encode() + b"\0")})
    width, height = stored.size
    preview = box(b"PRVW", bytes(4), struct.pack(">HHHHI", 1, width, height, 1, len(jpeg)), jpeg)
    yield "IMG_0109.CR3", (box(b"ftyp", b"crx ", b"\0\0\0\1", b"crx isom")
                           + box(b"moov", box(b"uuid", uuid, box(b"CNCV", b"CanonCR3_001/00.09.00/00.00.00"), box(b"CMT1", main), box(b"CMT2", details)))
                           + box(b"uuid", preview_uuid, bytes(8), preview) + box(b"mdat", bytes(64))), jpeg


def shifted_offsets(note, by):
    """The note's part behind its beginning, with the offsets of the preview moved by what goes before it."""
    at = note.rfind(struct.pack("<HHI", 0x101, LONG, 1)) + 8
    struct.pack_into("<I", note, at, struct.unpack_from("<I", note, at)[0] + by)
    return bytes(note)


def upright(image):
    return image.transpose(Image.Transpose.ROTATE_270)


def check_raw(path, jpeg):
    """exiftool must take the file for one of its kind, find its time and orientation, and that JPEG."""
    read = json.loads(run("exiftool", "-json", "-FileType", "-DateTimeOriginal", "-Orientation#", path))[0]
    expected = {"FileType": path.suffix[1:].upper(), "DateTimeOriginal": DATE, "Orientation": TURN}
    wrong = {name: read.get(name) for name, value in expected.items() if read.get(name) != value}
    tags = ("-JpgFromRaw", "-PreviewImage", "-OtherImage")
    inside = [subprocess.run(["exiftool", "-b", tag, path], capture_output=True).stdout for tag in tags]
    if wrong or jpeg not in inside:
        sys.exit(f"{path.name}: exiftool reads {wrong}, JPEGs of {[len(one) for one in inside]} bytes in place of {len(jpeg)}")


# ---- Telephones ----

def film():
    return box(b"ftyp", b"mp42", bytes(4), b"isommp42") + box(b"mdat", SECRET + b"\xff\xd8\xff\xe0" + bytes(40))


def xmp_segment(text):
    content = b"http://ns.adobe.com/xap/1.0/\0" + text.encode()
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def with_xmp(jpeg, text):
    """XMP behind the EXIF segment."""
    segment = next((start, end) for marker, start, end in fixtures.segments(jpeg) if marker == 0xE1)
    return jpeg[:segment[1]] + xmp_segment(text) + jpeg[segment[1]:]


def rdf(attributes, content=""):
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
            f'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" '
            f'xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:Item="http://ns.google.com/photos/1.0/container/item/" '
            f'{attributes}>{content}</rdf:Description></rdf:RDF></x:xmpmeta>')


def items(*kinds):
    lines = "".join(f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{kind}" Item:Mime="{mime}" Item:Length="{length}"/></rdf:li>'
                    for kind, mime, length in kinds)
    return f"<Container:Directory><rdf:Seq>{lines}</rdf:Seq></Container:Directory>"


def telephones(stored):
    """(name, file): what is read is the JPEG in front."""
    jpeg = fixtures.saved(stored, "JPEG", quality=92, exif=fixtures.exif(TURN))
    gain_map = fixtures.saved(stored.convert("L").resize((stored.width // 4, stored.height // 4)), "JPEG")
    yield "PXL_0201.jpg", with_xmp(jpeg, rdf('hdrgm:Version="1.0"', items(("Primary", "image/jpeg", 0), ("GainMap", "image/jpeg", len(gain_map))))) + gain_map
    yield "PXL_0202.MP.jpg", with_xmp(jpeg, rdf('GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"',
                                                items(("Primary", "image/jpeg", 0), ("MotionPhoto", "video/mp4", len(film()))))) + film()
    yield "MVIMG_0203.jpg", with_xmp(jpeg, rdf(f'GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(film())}"')) + film()
    yield "20240506_070809.jpg", jpeg + film() + b"MotionPhoto_Data\0\0SEFH\x6b\0\0\0\x01\0\0\0SEFT"
    yield "DSC_0204.MPO", fixtures.saved(stored, "MPO", save_all=True, append_images=[ImageOps.mirror(stored)], quality=92, exif=fixtures.exif(TURN))


def without_exif(jpeg):
    ends = [(start, end) for marker, start, end in fixtures.segments(jpeg) if marker == 0xE1]
    return jpeg[:ends[0][0]] + jpeg[ends[0][1]:] if ends else jpeg


def jpeg_pixels(data):
    """As djpeg decodes the first picture, damaged or not, turned as Pillow reads its EXIF, or XMP."""
    done = subprocess.run(["djpeg", "-dct", "fast", "-rgb", "-pnm"], input=data, capture_output=True)
    image = Image.open(io.BytesIO(done.stdout)).convert("RGB")
    turned = Image.open(io.BytesIO(data)).getexif().get(ORIENTATION, 1)
    image.getexif()[ORIENTATION] = turned
    return ImageOps.exif_transpose(image)


# ---- The folder ----

def photos(stored):
    """(name, file, expected pixels, tolerance, whether it says when it was taken)."""
    exif = fixtures.exif(TURN)
    for name, data, jpeg in raws(stored):
        plain = without_exif(jpeg)
        yield name, data, upright(jpeg_pixels(plain)), "EXACT", True
    for name, data in telephones(stored):
        yield name, data, jpeg_pixels(data), "EXACT", True
    turned = fixtures.with_exif(stored, TURN)
    heic = {"IMG_0301.HEIC": ("444", "HEIC_444"), "IMG_0302.heif": ("420", "HEIC_420")}
    for name, (chroma, tolerance) in heic.items():
        data = fixtures.heic(turned, chroma=chroma)
        yield name, data, fixtures.read(data), tolerance, True
    motion = fixtures.heic(turned, chroma="444") + box(b"mpvd", film())
    yield "IMG_0303.heic", motion, fixtures.read(motion), "HEIC_444", True
    for chroma in ("4:4:4", "4:2:0"):
        data = fixtures.avif(stored, subsampling=chroma, exif=exif)
        yield f"IMG_04{chroma.replace(':', '')}.avif", data, fixtures.read(data), "AVIF", True
    for name, data, pixels in fixtures.turned_jxls(stored):
        # Of these Pillow would turn one that djxl does not.
        if "exif_alone" not in name:
            yield f"IMG_05_{name}", data, pixels, "JPEG_XL_LOSSY", True
    for name, data in fixtures.tiffs(stored):
        yield f"scan_{name}", data, fixtures.read(data), "TIFF_JPEG" if name == "ycbcr.tif" else "EXACT", False
    for name, data in fixtures.jpegs(stored):
        yield f"frame_{name}", data, jpeg_pixels(data), "EXACT", name == "exif_before_xmp.jpg" or name == "upright_by_exif.jpg"
    for name, data in [*fixtures.pngs(stored), *fixtures.webps(stored)]:
        yield f"saved_{name}", data, fixtures.read(data), "EXACT", name.startswith("exif")
    # Pillow takes sixteen bits for eight when it converts them, and cuts off what is above 255.
    deep = np.asarray(stored.convert("L")).astype(np.uint16) * 256 + np.arange(stored.width, dtype=np.uint16) % 256
    nearest = Image.fromarray(((deep.astype(int) + 128) // 257).astype(np.uint8))
    for suffix, kind in ((".png", "PNG"), (".tif", "TIFF")):
        out = io.BytesIO()
        Image.fromarray(deep).save(out, kind)
        yield f"saved_grey_16_bits{suffix}", out.getvalue(), nearest, "EXACT", False


OTHERS = {
    "IMG_0301.MOV": film(), "notes.txt": b"x", "layers.psd": b"8BPS", "clip.mp4": film(), "IMG_0301.AAE": b"<plist/>",
    "@eaDir/IMG_0301.HEIC/SYNOPHOTO_THUMB_M.jpg": None, "#recycle/old.jpg": None, ".hidden.jpg": None, "thumbs/small.jpg": None,
    "Photos.photoslibrary/resources/derivatives/a.jpg": None, "Photos.photoslibrary/originals/A/original.jpg": None,
}
PASSED_OVER = {
    "files": {"mov": 1, "txt": 1, "psd": 1, "mp4": 1, "aae": 1}, "hidden": 1, "excluded": 1,
}


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{words}: {done.stdout}{done.stderr}")
    return done.stdout


def opened(path):
    """A copy's pixels: upright, of eight bits."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode != "I;16":
        return image
    return Image.fromarray(((np.asarray(image).astype(int) + 128) // 257).astype(np.uint8))


def decodable(program, folder, made):
    """The photos that the program has decoders for."""
    missing = set()
    for extension in (".heic", ".heif", ".avif", ".jxl"):
        name = next(name for name, *_ in made if Path(name).suffix.lower() == extension)
        told = subprocess.run([program, "classify", folder / name, "--top", "1"], capture_output=True, text=True).stderr
        if "without its decoder" in told:
            missing.add(extension)
    left_out = [name for name, *_ in made if Path(name).suffix.lower() in missing]
    for name in left_out:
        (folder / name).unlink()
    if left_out:
        print(f"not tried, for the program is built without their decoders: {', '.join(left_out)}")
    return [one for one in made if one[0] not in left_out]


def apart(found, expected):
    if found.size != expected.size:
        sys.exit(f"{found.size} in place of {expected.size}")
    levels = np.abs(np.asarray(found.convert("RGB")).astype(int) - np.asarray(expected.convert("RGB")))
    return levels.mean(), levels.max()


def check_pixels(program, folder, copies, made):
    """Each photo in a PNG of its own: nothing in it is as sure as is asked for, so that nothing is blurred."""
    allowed, most, wrong = tolerances(), {}, []
    for name, _, expected, tolerance, _ in made:
        copy = copies / f"{name}.png"
        run(program, "blur", folder / name, "--class", "tench", "--min-probability", "1", "--out", copy, "--quiet")
        mean, largest = apart(opened(copy), expected)
        most[tolerance] = max(most.get(tolerance, (0, 0)), (mean, largest))
        if mean > allowed[tolerance][0] or largest > allowed[tolerance][1]:
            wrong.append(f"{name}: {mean:.3f} levels apart on average, {largest} at most; {allowed[tolerance]} allowed")
    for tolerance, (mean, largest) in sorted(most.items()):
        print(f"{tolerance}: {mean:.3f} levels apart on average, {largest} at most; {allowed[tolerance]} allowed")
    if wrong:
        sys.exit("\n".join(wrong))


def check_library(program, folder, library, made):
    """What was passed over, and of each photo its size and time."""
    told = run(program, "index", folder, "--library", library, "--exclude", "thumbs", "--format", "json", "--quiet",
               "--write-sidecars", "--sidecar-probability", "0.1")
    passed_over = json.loads(told.splitlines()[-1])["passed_over"]
    found = {name: passed_over[name] for name in PASSED_OVER}
    if found != PASSED_OVER or not passed_over["generated"]:
        sys.exit(f"passed over: {passed_over}")
    lines = run(program, "library", "list", "--library", library, "--format", "json").splitlines()
    listed = {Path(line["photo"]).name: line for line in map(json.loads, lines)}
    if sorted(listed) != sorted([name for name, *_ in made] + ["original.jpg"]):
        sys.exit(f"in the library: {sorted(listed)}")
    for name, _, expected, _, is_dated in made:
        line = listed[name]
        if (line["width"], line["height"]) != expected.size:
            sys.exit(f"{name}: {line} in place of {expected.size}")
        if is_dated and line["taken"] != DATE.replace(":", "-", 2).replace(" ", "T"):
            sys.exit(f"{name}: taken {line['taken']}")
    # Lightroom looks for those of raw photos by another name.
    for name in [path.name for path in folder.iterdir() if path.suffix.lower() == ".cr2"]:
        both = [(folder / f"{stem}.xmp").read_bytes() for stem in (name, Path(name).stem)]
        if both[0] != both[1] or not run("exiftool", "-s3", "-Subject", folder / f"{name}.xmp").strip():
            sys.exit(f"{name}: two sidecars that differ, or no keyword")
    print(f"{len(made)} photos upright, {sum(dated for *_, dated in made)} with their time; passed over: {passed_over}")


# ---- Copies ----

def scan_jpeg(data):
    """The parts of a JPEG; refuses what no single picture has."""
    at, parts = 2, Counter()
    while data[at:at + 2] != b"\xff\xd9":
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2:at + 4])[0]
        content = data[at + 4:at + 2 + length]
        known = (marker == 0xE0 and content[:5] == b"JFIF\0" and content[12:] == b"\0\0" or marker == 0xE1 and content[:6] == b"Exif\0\0"
                 or marker == 0xE2 and content[:12] == b"ICC_PROFILE\0" or marker == 0xEE and content[:5] == b"Adobe"
                 or 0xC0 <= marker <= 0xDF)
        if data[at] != 0xFF or not known:
            raise ValueError(f"segment {marker:x} of {length} bytes: {content[:20]}")
        at += 2 + length
        if marker == 0xDA:
            parts["scans"] += 1
            while data[at] != 0xFF or data[at + 1] == 0 or 0xD0 <= data[at + 1] <= 0xD7:
                at += 1
        parts["frames"] += marker in (0xC0, 0xC1, 0xC2)
    if at + 2 != len(data) or parts["frames"] != 1:
        raise ValueError(f"{len(data) - at - 2} bytes behind the picture, {parts}")


def scan_png(data):
    at, last = 8, b""
    while at < len(data):
        length, last = struct.unpack(">I", data[at:at + 4])[0], data[at + 4:at + 8]
        if last not in (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"eXIf", b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"pHYs"):
            raise ValueError(f"chunk {last}")
        at += length + 12
    if last != b"IEND":
        raise ValueError("no end")


def check_copies(folder, made):
    files = [file for file in folder.rglob("*") if file.is_file()]
    if len(files) < len(made):
        sys.exit(f"{len(files)} copies of {len(made)} photos")
    for file in files:
        data = file.read_bytes()
        try:
            {b"\xff\xd8": scan_jpeg, b"\x89P": scan_png}[data[:2]](data)
            image = Image.open(io.BytesIO(data))
            if SECRET in data or b"\xff\xd8\xff" in data[2:] or getattr(image, "n_frames", 1) != 1 or image.getexif().get_ifd(1):
                raise ValueError("something beside the picture")
        except (ValueError, KeyError) as error:
            sys.exit(f"{file}: {error}")
    print(f"{len(files)} copies of one picture each")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--lorgnette", required=True)
    arguments = parser.parse_args()
    pillow_heif.register_heif_opener()
    shutil.rmtree(arguments.work, ignore_errors=True)
    folder, copies = arguments.work / "photos", arguments.work / "pixels"
    for each in (folder, copies):
        each.mkdir(parents=True)
    stored = ImageOps.fit(Image.open(arguments.photo).convert("RGB"), (413, 277))
    made = list(photos(stored))
    for name, data, *_ in made:
        (folder / name).write_bytes(data)
    made = decodable(arguments.lorgnette, folder, made)
    for name, _, jpeg in raws(stored):
        check_raw(folder / name, jpeg)
    check_pixels(arguments.lorgnette, folder, copies, made)
    blurred = arguments.work / "blurred"
    run(arguments.lorgnette, "blur", folder, "--class", "entity", "--out", blurred, "--quiet")
    check_copies(blurred, made)
    plain = fixtures.saved(stored, "JPEG")
    for name, data in OTHERS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data or plain)
    check_library(arguments.lorgnette, folder, arguments.work / "photos.lgn", made)


if __name__ == "__main__":
    main()
