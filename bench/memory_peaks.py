"""Peaks of the program's memory under `--memory-limit`, on files made to take as much as they can.

    python3 bench/memory_peaks.py WORK --lorgnette PATH [--only NAME...]

Every stage that a stranger's file can make large has its case: graphs, constants, archives, drawings, labels, metadata, copies, photos on
many threads. A case ends with an answer or with an error; the peak may exceed the limit only by what the limit does not count, the mapped
network and the program itself. The script prints a table for docs/hardening.md and ends with 1 if a case does not hold. No packages are
needed.
"""

import argparse
import io
import pathlib
import shutil
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
NOT_COUNTED = 64
"""MiB that the limit does not count: pages of the mapped network, of the program and its libraries."""
FLOAT, INT32 = 1, 3


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


def empty_nodes(path):
    content = b"\x0a\x00" * 50_000_000
    with tarfile.open(path, "w:gz", compresslevel=9) as archive:
        entry = tarfile.TarInfo("graph.pb")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


def png(width, height, bits=8, more=b""):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = bytes(1 + width * 3 * bits // 8)
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


def cases(work):
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
    for name, limit, make in cases(arguments.work):
        if arguments.only and not any(part in name for part in arguments.only):
            continue
        shutil.rmtree(arguments.work, ignore_errors=True)
        arguments.work.mkdir(parents=True)
        code, peak, seconds, line = measure(arguments.lorgnette, make(), limit)
        answer = "an answer" if code == 0 else "an error" if code in (1, 2) else f"EXIT CODE {code}"
        holds = code in (0, 1, 2) and peak <= (limit + NOT_COUNTED) * 1.048576
        wrong += not holds
        print(f"| {name} | {limit} | {peak:.0f} | {seconds:.1f} | {answer if holds else answer + ': TOO MUCH'} |", flush=True)
        print(f"  {line[:200]}", file=sys.stderr)
    shutil.rmtree(arguments.work, ignore_errors=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
