#!/usr/bin/env python3
"""Writes crates/lorgnette/src/labels/imagenet.txt: ImageNet's thousand synsets in their order, each with its names.

    oracle/make_labels.py [../shared/reference/labels]
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared/reference/labels"
synsets = (folder / "imagenet_lsvrc_2015_synsets.txt").read_text().split()
names = dict(line.split("\t") for line in (folder / "imagenet_synset_to_human_label_map.txt").read_text().splitlines())
assert len(synsets) == 1000 and synsets == sorted(synsets)
out = ROOT / "crates/lorgnette/src/labels/imagenet.txt"
out.write_text("".join(f"{synset} {names[synset].strip()}\n" for synset in synsets))
print(len(synsets), "synsets,", out.stat().st_size, "bytes")
