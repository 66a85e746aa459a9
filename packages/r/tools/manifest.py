"""Cargo manifests of the R package's release: manifest.py crate FILE | root WORKSPACE FILE | authors METADATA OUT.

crate: takes what only tests need out of the manifest of one of our crates.
root: makes the manifest of the native code, FILE, the root of a workspace of its own, with versions, lints and the
    release profile of WORKSPACE.
authors: lists the crates that `cargo metadata` names, with their authors and licences.
"""

import json
import pathlib
import re
import sys

TESTS = ("dev-dependencies", "test", "bench", "example")
KEPT = ("workspace.package", "workspace.dependencies", "workspace.lints", "profile.release")


def sections(text):
    """Pairs of a header's name, empty for what is before the first, and the section's text."""
    parts = re.split(r"(?m)^(?=\[)", text)
    for part in parts:
        header = re.match(r"\[+([^\]]+)\]+", part)
        yield (header.group(1) if header else ""), part


def crate(path):
    kept = [text for name, text in sections(path.read_text()) if name not in TESTS]
    path.write_text("".join(kept))


def root(workspace, path):
    kept = [text for name, text in sections(workspace.read_text()) if is_kept(name)]
    # Our crates' tests compare with this one.
    kept = [re.sub(r"(?m)^lorgnette-oracle = .*\n", "", text) for text in kept]
    path.write_text(path.read_text() + '\n[workspace]\nresolver = "3"\n\n' + "".join(kept))


def is_kept(name):
    return any(name == kept or name.startswith(f"{kept}.") for kept in KEPT)


def authors(metadata, out):
    lines = ["The native code of this package contains these Rust crates:\n\n"]
    for package in sorted(json.loads(metadata.read_text())["packages"], key=lambda package: package["name"]):
        people = ", ".join(package["authors"]) or "authors not stated"
        licence = package["license"] or package["license_file"] or "licence not stated"
        lines.append(f"{package['name']} {package['version']} ({licence}): {people}\n")
    out.parent.mkdir(exist_ok=True)
    out.write_text("".join(lines))


verb, *paths = sys.argv[1:]
{"crate": crate, "root": root, "authors": authors}[verb](*map(pathlib.Path, paths))
