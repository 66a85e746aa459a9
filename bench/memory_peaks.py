"""Peaks of the program's memory under `--memory-limit`, on files made to take as much as they can.

    python3 bench/memory_peaks.py WORK --lorgnette PATH [--only NAME...]

Every stage that a stranger's file can make large has its case: graphs, constants, archives, drawings, labels, metadata, copies, libraries,
photos on many threads. A case ends with an answer or with an error, and its peak is within the limit: all pages that the process holds,
those of the program and of mapped files among them. The script prints a table for docs/hardening.md and ends with 1 if a case does not
hold. No packages are needed.
"""

import argparse
import io
import pathlib
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tarfile
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[1]
PHOTO = ROOT / "photos" / "coffee.jpg"
LAUNCHER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs the program. A process begins with the peak of the one that starts it, so that is a small one, not this."""
FLOAT, INT32, BOOL = 1, 3, 10


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(key, content):
    return varint(key << 3 | 2) + varint(len(content)) + content


def number(key, value):
    return varint(key << 3) + varint(value)


def attribute(name, value):
    return field(5, field(1, name.encode()) + field(2, value))


def shape(*sizes):
    return b"".join(field(2, number(1, size)) for size in sizes)


def node(name, op, inputs=(), **attributes):
    """A node of a GraphDef; attributes are encoded values, T is float."""
    content = field(1, name.encode()) + field(2, op.encode()) + b"".join(field(3, text.encode()) for text in inputs)
    attributes = {"T": number(6, FLOAT), "dtype": number(6, FLOAT), **attributes}
    return field(1, content + b"".join(attribute(key, value) for key, value in attributes.items()))


def constant(name, values, sizes, dtype=INT32):
    """A constant; one value stands for all."""
    if dtype == INT32:
        data = field(7, b"".join(varint(value) for value in values))
    elif dtype == BOOL:
        data = field(11, bytes(values))
    else:
        data = field(5, struct.pack(f"<{len(values)}f", *values))
    tensor = number(1, dtype) + field(2, shape(*sizes)) + data
    return node(name, "Const", dtype=number(6, dtype), value=field(8, tensor))


def placeholder(*sizes):
    return node("x", "Placeholder", shape=field(7, shape(*sizes)))


def ranks():
    nodes, last = [placeholder(1, 8, 8, 3), constant("axis", [0], [])], "x"
    for index in range(20_000):
        nodes.append(node(f"e{index}", "ExpandDims", [last, "axis"]))
        last = f"e{index}"
    return b"".join(nodes)


def axes():
    nodes = [placeholder(1, 8, 8, 3), constant("axis", [0], [8_000_000])]
    names = [f"e{index}" for index in range(1000)]
    nodes += [node(name, "ExpandDims", ["x", "axis"]) for name in names]
    # One output, for which all are needed.
    return b"".join(nodes) + node("sum", "AddN", names, N=number(3, len(names)))


def factors():
    nodes, last = [placeholder(1, 1, 1, 147_000), constant("c", [0.5], [], FLOAT)], "x"
    for index in range(10_000):
        nodes.append(node(f"m{index}", "Mul", [last, "c"]))
        last = f"m{index}"
    return b"".join(nodes)


def mask():
    sizes = constant("sizes", [1, 30_000, 10_000, 3], [4])
    numbers = node("u", "RandomUniform", ["sizes"]) + node("floor", "Floor", ["u"])
    return placeholder(1, 1, 1, 3) + sizes + numbers + node("sum", "Add", ["x", "floor"])


def activations():
    """A convolution whose result has 200,000 channels of 512 x 512."""
    filters = constant("w", [0.25], [1, 1, 3, 200_000], FLOAT)
    strides = field(1, field(3, b"\1\1\1\1"))
    conv = node("conv", "Conv2D", ["x", "w"], strides=strides, padding=field(2, b"SAME"))
    return placeholder(1, 512, 512, 3) + filters + conv


def dead_constants():
    """Fifty constants of eight million numbers on a branch that is never taken."""
    nodes = [placeholder(1, 8, 8, 3), constant("no", [0], [], BOOL), node("s", "Switch", ["x", "no"])]
    for index in range(50):
        nodes += [constant(f"c{index}", [0.5], [8_000_000], FLOAT), node(f"d{index}", "Mul", ["s:1", f"c{index}"])]
    nodes += [node("merge", "Merge", ["s", "d0"]), node("end", "Relu", ["merge"])]
    return b"".join(nodes)


def empty_nodes(path):
    content = b"\x0a\x00" * 50_000_000
    with tarfile.open(path, "w:gz", compresslevel=9) as archive:
        entry = tarfile.TarInfo("graph.pb")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


def png(width, height, bits=8, more=b"", row=None):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = row or bytes(1 + width * 3 * bits // 8)
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def exif_loop():
    """A directory of EXIF that leads to itself, in a chunk of 1 MB."""
    entries = 65_000
    entry = struct.pack("<HHII", 0x014A, 4, 1, 8)
    exif = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", entries) + entry * entries + struct.pack("<I", 8)
    return struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", zlib.crc32(b"eXIf" + exif))


def cases(work, lorgnette):
    """Name, limit in MiB, and the arguments, for each case; its files are written now."""
    def file(name, content):
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)

    out = str(work / "out.png")
    yield "a graph of 20,000 ExpandDims", 512, lambda: ["explain", file("ranks.pb", ranks())]
    yield "1000 nodes with an axis of eight million numbers", 512, lambda: ["explain", file("axes.pb", axes())]
    yield "147,000 channels and 10,000 factors", 512, lambda: ["explain", file("factors.pb", factors())]
    yield "a mask of 30,000 x 10,000 pixels", 512, lambda: ["explain", file("mask.pb", mask())]
    yield "activations of 210 GB", 512, lambda: ["bench", file("activations.pb", activations()), "--seconds", "1"]

    def archive():
        empty_nodes(work / "nodes.tgz")
        return ["explain", str(work / "nodes.tgz")]

    yield "an archive of 100 kB with fifty million empty nodes", 512, archive
    yield "`classify --picture` of 16,000,000 x 1 pixels in 47 kB", 1024, lambda: [
        "classify", file("wide.png", png(16_000_000, 1)), "--picture", out]
    yield "the same", 128, lambda: ["classify", file("wide.png", png(16_000_000, 1)), "--picture", out]

    def labels():
        lines = "\n".join(f"{index} " + "w" * 100_000 for index in range(1001))
        return ["classify", str(PHOTO), "--labels", file("labels.txt", lines.encode()), "--picture", out]

    yield "names of 100,000 letters, drawn", 1024, labels
    yield "`blur`, a directory of EXIF that leads to itself, 1 MB", 512, lambda: [
        "blur", file("loop.png", png(64, 64, more=exif_loop())), "--class", "cat", "--out", out]

    def copies():
        for index in range(12_000):
            file(f"copies/{index % 2}/{index}.jpg", b"no")
        return ["train", str(work / "copies"), "--out", str(work / "model")]

    yield "`train`, 12,000 copies of one file in two classes", 512, copies

    def deep():
        content = png(10_000, 10_000, 16)
        for index in range(4):
            file(f"deep/{index}.png", content)
        return ["classify", str(work / "deep"), "--threads", "4", "--max-pixels", "100000000"]

    yield "four PNGs of 100 million pixels of 16 bits, four threads", 4096, deep
    yield "the same", 1024, deep

    def many():
        content = PHOTO.read_bytes()
        for index in range(64):
            file(f"many/{index}.jpg", content)
        return ["map", str(work / "many"), "--threads", "8"]

    yield "`map` of 64 photos, eight threads", 256, many

    def threads(*verb):
        many()
        return [verb[0], str(work / "many"), *verb[1:], "--threads", "8"]

    yield "`classify`, the same", 256, lambda: threads("classify")
    yield "`embed`, the same", 256, lambda: threads("embed")
    yield "`blur --faces`, the same", 512, lambda: threads("blur", "--faces", "--out", str(work / "blurred"))
    yield "`blur --class`, the same", 512, lambda: threads("blur", "--class", "cup", "--out", str(work / "blurred"))
    yield "`index`, the same", 512, lambda: threads("index", "--library", str(work / "photos.lgn"))
    yield "`map --overlay`, the same", 512, lambda: threads("map", "--overlay", str(work / "drawn"))

    def near(*verb):
        """Frames of a video: two classes of photos that are nearly the same."""
        noise = random.Random(1)
        for index in range(2000):
            row = bytes([0]) + bytes(100 + noise.randrange(2) for _ in range(48 * 3))
            file(f"near/{index % 2}/{index}.png", png(48, 48, row=row))
        return [verb[0], str(work / "near"), *verb[1:], "--threads", "8"]

    out_folder, cache = str(work / "model"), str(work / "cache")
    yield "`train`, 2000 photos that are nearly the same", 256, lambda: near("train", "--out", out_folder, "--cache", cache)
    yield "`evaluate`, the same", 256, lambda: near("evaluate", "--out", str(work / "figures"))
    yield "`models convert`, fifty constants of 32 MB on a branch that is never taken", 256, lambda: [
        "models", "convert", file("dead.pb", dead_constants()), "--out", str(work / "dead_again.pb")]
    yield "`models convert` of the embedded network to a plan file", 256, lambda: [
        "models", "convert", "mobilenet_v1_1.0_224", "--out", str(work / "network.plan")]

    def library(*verb):
        """A stranger's library: 200,000 photos with paths of 600 letters, each a coffee mug, each in 500 places of one photo."""
        path = str(work / "strange.lgn")
        file("one/coffee.jpg", PHOTO.read_bytes())
        index = [lorgnette, "index", str(work / "one"), "--library", path, "--quiet"]
        subprocess.run(index, check=True, stdout=subprocess.DEVNULL)
        with sqlite3.connect(path) as base:
            sound = "SELECT class, probability FROM whole WHERE photo = (SELECT min(photo) FROM whole) ORDER BY probability DESC"
            thing, probability = base.execute(sound).fetchone()
            model, = base.execute("SELECT model FROM class WHERE id = ?", (thing,)).fetchone()
            rows = range(1000, 201_000)
            photo = "INSERT INTO photo VALUES (?, ?, ?, 1, 1, NULL, 640, 480, NULL, 0, NULL)"
            name = b"/" + b"x" * 600
            base.executemany(photo, ((row, name + b"%d.jpg" % row, row.to_bytes(32, "big")) for row in rows))
            base.executemany("INSERT INTO analysis VALUES (?, ?)", ((row, model) for row in rows))
            base.executemany("INSERT INTO whole VALUES (?, ?, ?, 0)", ((thing, row, probability) for row in rows))
        base.close()
        return [verb[0], *verb[1:], "--library", path]

    yield "`search` in a library of 200,000 photos with long names, all found", 256, lambda: library(
        "search", "espresso or mug or cup", "--limit", "1000000", "--format", "json")
    yield "`search --html`, the same", 256, lambda: library("search", "espresso or mug or cup", "--html", str(work / "found.html"))
    yield "`library duplicates`, the same", 256, lambda: library("library", "duplicates")
    yield "`library verify`, the same", 256, lambda: library("library", "verify")


def measure(lorgnette, arguments, limit):
    """Runs the program; returns its exit code, its peak in MB, seconds, and its last line of errors."""
    started = time.perf_counter()
    command = [sys.executable, "-c", LAUNCHER, lorgnette, *arguments, "--memory-limit", str(limit)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    code, peak = map(int, run.stdout.split())
    lines = [line for line in run.stderr.splitlines() if line.strip()]
    return code, peak * 1.024 / 1000, time.perf_counter() - started, lines[-1] if lines else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--lorgnette", required=True)
    parser.add_argument("--only", nargs="*", default=[], help="cases whose name contains one of these")
    arguments = parser.parse_args()
    wrong = 0
    print("| file | `--memory-limit`, MiB | peak, MB | s | |\n|---|--:|--:|--:|---|")
    for name, limit, make in cases(arguments.work, arguments.lorgnette):
        if arguments.only and not any(part in name for part in arguments.only):
            continue
        shutil.rmtree(arguments.work, ignore_errors=True)
        arguments.work.mkdir(parents=True)
        code, peak, seconds, line = measure(arguments.lorgnette, make(), limit)
        answer = "an answer" if code == 0 else "an error" if code in (1, 2) else f"EXIT CODE {code}"
        holds = code in (0, 1, 2) and peak <= limit * 1.048576
        wrong += not holds
        print(f"| {name} | {limit} | {peak:.0f} | {seconds:.1f} | {answer if holds else answer + ': TOO MUCH'} |", flush=True)
        print(f"  {line[:200]}", file=sys.stderr)
    shutil.rmtree(arguments.work, ignore_errors=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
