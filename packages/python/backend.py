"""The build backend: maturin's wheel, with a program that starts without Python.

maturin packs the extension module, and a console script that starts Python to run the program in the
module. On Linux with glibc that script is replaced by a small program (`launcher.rs`) that loads the
module itself, so the wheel has one copy of everything and its program starts as fast as Cargo's.
Elsewhere, and for editable installations, the console script stays.

If LORGNETTE_MODULE names an extension module that Cargo has built, that is packed, and nothing is
compiled: `.ci/run` has built it with everything else.
"""

import base64
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile

import maturin
from maturin import (  # noqa: F401
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
)

HERE = pathlib.Path(__file__).resolve().parent
MODULE = "lorgnette/_lorgnette.abi3.so"
"""The module of a wheel for all versions; free-threaded Python has one of its own name."""
DATE = (1980, 1, 1, 0, 0, 0)


class Wheel:
    """A wheel that is being written."""

    def __init__(self, file, dist_info):
        self.zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9)
        self.dist_info = dist_info
        self.record = []

    def add(self, name, content, mode=0o644):
        self._write(name, content, mode)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        self.record.append(f"{name},sha256={digest},{len(content)}\n")

    def close(self):
        name = f"{self.dist_info}/RECORD"
        self._write(name, ("".join(self.record) + f"{name},,\n").encode(), 0o644)
        self.zip.close()

    def _write(self, name, content, mode):
        entry = zipfile.ZipInfo(name, DATE)
        entry.external_attr = (0o100000 | mode) << 16
        self.zip.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    module = os.environ.get("LORGNETTE_MODULE")
    if module:
        return pack(pathlib.Path(wheel_directory), pathlib.Path(module))
    name = maturin.build_wheel(wheel_directory, config_settings, metadata_directory)
    if has_launcher():
        add_launcher(pathlib.Path(wheel_directory) / name)
    return name


def has_launcher():
    return sys.platform == "linux" and platform.libc_ver()[0] == "glibc"


def add_launcher(path):
    """Replaces the console script of a wheel by the launcher."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as old:
        partial = pathlib.Path(folder) / path.name
        rewrite({entry.filename: old.read(entry) for entry in old.infolist()}, partial)
        shutil.move(partial, path)


def pack(folder, module):
    """Packs a wheel of a module that is built already."""
    files = {MODULE: module.read_bytes()}
    for path in sorted((HERE / "python" / "lorgnette").iterdir()):
        if path.suffix in (".py", ".pyi", ".typed") or path.name == "py.typed":
            files[f"lorgnette/{path.name}"] = path.read_bytes()
    with tempfile.TemporaryDirectory() as metadata:
        dist_info = maturin.prepare_metadata_for_build_wheel(metadata)
        for path in sorted((pathlib.Path(metadata) / dist_info).rglob("*")):
            if path.is_file():
                files[path.relative_to(metadata).as_posix()] = path.read_bytes()
    tag = files[f"{dist_info}/WHEEL"].decode().split("Tag: ")[1].split()[0]
    name = f"{dist_info.removesuffix('.dist-info')}-{tag}.whl"
    rewrite(files, folder / name)
    return name


def rewrite(files, path):
    """Writes a wheel of these files, with the launcher in place of the console script."""
    dist_info = next(name.split("/")[0] for name in files if name.endswith(".dist-info/METADATA"))
    module = next(name for name in files if name.startswith("lorgnette/_lorgnette.") and not name.endswith(".pyi"))
    wheel = Wheel(path, dist_info)
    for name, content in files.items():
        is_script = name == f"{dist_info}/entry_points.txt" and has_launcher()
        if name == f"{dist_info}/RECORD" or is_script:
            continue
        wheel.add(name, content, 0o755 if name == module else 0o644)
    if has_launcher():
        data = dist_info.removesuffix(".dist-info") + ".data"
        wheel.add(f"{data}/scripts/lorgnette", launcher(module, files[module]), 0o755)
    wheel.close()


def launcher(name, module):
    """Compiles the launcher for an extension module of this name, and returns it."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "module.so").write_bytes(module)
        command = ["nm", "--dynamic", "--undefined-only", folder / "module.so"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        symbols = [line.split() for line in listed.splitlines()]
        names = [name for kind, name in symbols if kind == "U" and name.startswith(("Py", "_Py"))]
        if not names:
            raise SystemExit("the extension module refers to no symbol of Python: is it one?")
        lines = [f'    ".globl {name}", "{name}: .quad 0",\n' for name in names]
        text = 'std::arch::global_asm!(".data",\n' + "".join(lines) + '    ".text");\n'
        (folder / "symbols.rs").write_text(text)
        command = ["rustc", "--edition=2024", "-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols"]
        command += ["-Clto=fat", "-Ccodegen-units=1", "-Clink-arg=-rdynamic"]
        command += [HERE / "launcher.rs", "-o", folder / "lorgnette"]
        environment = {**os.environ, "LORGNETTE_SYMBOLS": str(folder / "symbols.rs"), "LORGNETTE_MODULE_NAME": name}
        subprocess.run(command, env=environment, check=True)
        return (folder / "lorgnette").read_bytes()
