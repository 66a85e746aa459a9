#!/usr/bin/env python3
"""Writes crates/lorgnette/src/wordnet/nouns.txt: WordNet's nouns from ImageNet's thousand synsets upwards,
and crates/lorgnette/src/wordnet/plurals.txt: the irregular plurals among their names.

    oracle/make_hierarchy.py [FOLDER]

FOLDER has WordNet 3.0's `data.noun` and `noun.exc`; Debian's package wordnet-base puts them into /usr/share/wordnet
(`apt-get install wordnet-base`). A line is a synset, the synsets it is a kind of, and its names:

    n02084071 n02083346,n01317541 dog, domestic dog, Canis familiaris

One line has a parent more than WordNet gives it (ALSO_KIND_OF). The thousand synsets come with the names that WordNet has for them, which are sometimes more than ImageNet's labels.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "crates/lorgnette/src/wordnet"
# "@" leads to what a noun is a kind of, "@i" to what it is an instance of.
KIND_OF = ("@", "@i")
# WordNet has buses and trains as public transport, a conveyance, but no vehicles. Nobody who asks for vehicles knows.
ALSO_KIND_OF = {"n04019101": ["n04524313"]}


def nouns(path):
    """Every noun synset: its number, its names, the numbers of what it is a kind of (wndb(5WN) has the format)."""
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.startswith("  "):
            continue  # The licence at the head of the file.
        fields = line.split(" | ")[0].split()
        count = int(fields[3], 16)
        names = [word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2]]
        rest = fields[4 + 2 * count :]
        pointers = zip(*(rest[1 + place : 1 + 4 * int(rest[0]) : 4] for place in range(3)))
        parents = [f"n{offset}" for symbol, offset, part in pointers if symbol in KIND_OF and part == "n"]
        synset = f"n{fields[0]}"
        yield synset, (names, parents + ALSO_KIND_OF.get(synset, []))


def upwards(synsets, starts):
    """The synsets reached from `starts`, themselves included."""
    reached, waiting = set(), list(starts)
    while waiting:
        synset = waiting.pop()
        if synset not in reached:
            reached.add(synset)
            waiting += synsets[synset][1]
    return sorted(reached)


def irregular(path, words):
    """Lines of a plural and its singular, for singulars among the words; regular ones are left to a rule."""
    for line in path.read_text().splitlines():
        plural, singular = (word.replace("_", " ") for word in line.split()[:2])
        if singular in words and plural != singular:
            yield f"{plural}\t{singular}"


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/wordnet")
    synsets = dict(nouns(folder / "data.noun"))
    labels = (ROOT / "crates/lorgnette/src/labels/imagenet.txt").read_text().splitlines()
    classes = [line.split()[0] for line in labels]
    reached = upwards(synsets, classes)
    lines = [f"{synset} {','.join(synsets[synset][1]) or '-'} {', '.join(synsets[synset][0])}\n" for synset in reached]
    (OUT / "nouns.txt").write_text("".join(lines))
    words = {word for synset in reached for name in synsets[synset][0] for word in re.split("[ -]", name.lower())}
    plurals = sorted(set(irregular(folder / "noun.exc", words)))
    (OUT / "plurals.txt").write_text("".join(f"{line}\n" for line in plurals))
    sizes = [(OUT / name).stat().st_size for name in ("nouns.txt", "plurals.txt")]
    print(len(reached), "synsets,", len(plurals), "irregular plurals,", sum(sizes), "bytes")


if __name__ == "__main__":
    main()
