#!/usr/bin/env python3
"""Writes crates/lorgnette/src/wordnet/nouns.txt: WordNet's nouns from ImageNet's thousand synsets upwards,
crates/lorgnette/src/wordnet/plurals.txt: the irregular plurals among their names,
and crates/lorgnette/src/wordnet/related.txt: other nouns, and the names among these that are nearest in meaning.

    oracle/make_hierarchy.py [FOLDER]

FOLDER has WordNet 3.0's `data.noun`, `index.noun`, `noun.exc` and `cntlist.rev`; Debian's package wordnet-base puts them into /usr/share/wordnet
(`apt-get install wordnet-base`). A line is a synset, the synsets it is a kind of, and its names:

    n02084071 n02083346,n01317541 dog, domestic dog, Canis familiaris

One line has a parent more than WordNet gives it (ALSO_KIND_OF), a few have more names (ALSO_NAMED). The thousand synsets come with the names that WordNet has for them, which are sometimes more than ImageNet's labels.
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
# Everyday words for what a class's photos show: WordNet has them elsewhere, or not at all.
ALSO_NAMED = {
    "n00007846": ["people", "human", "human being"],  # person
    "n01514668": ["chicken", "rooster"],  # cock
    "n01514859": ["chicken"],  # hen
    "n03443371": ["wine glass"],  # goblet
    "n03991062": ["potted plant", "plant pot"],  # pot
    "n04026417": ["handbag"],  # purse
    "n04039381": ["tennis racket"],  # racket
    "n04254680": ["football"],  # soccer ball
    "n04404412": ["TV", "television set"],  # television
    "n04553703": ["sink", "bathroom sink"],  # washbasin
}
# Lexicographer files of tangible things: animals, artifacts, bodies, food, objects, people, phenomena, plants, substances.
TANGIBLE = {5, 6, 8, 13, 17, 18, 19, 20, 27}
# A kind of more classes than this is no suggestion.
MAX_KINDS = 60
# Neither are these.
VAGUE = {"abstraction", "attribute", "area", "creation", "location", "material", "matter", "substance", "whole"}
# These say in the words of a science, or of none, that no class is of a noun's kind; a few have a plain word.
NO_KIND = {"agent", "article", "fluid", "ligament", "liquid", "natural object", "part", "peer", "piece", "point", "relation", "solid", "system"}
PLAINER = {
    "angiosperm": "plant",
    "causal agent": "person",
    "nutriment": "food",
    "plant organ": "plant",
    "plant part": "plant",
    "reproductive structure": "flower",
    "spermatophyte": "plant",
    "vascular plant": "plant",
}


def nouns(path):
    """Every noun synset: its number, its names, the numbers of what it is a kind of, its lexicographer file
    (wndb(5WN) has the format)."""
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
        names += ALSO_NAMED.get(synset, [])
        yield synset, (names, parents + ALSO_KIND_OF.get(synset, []), int(fields[1]))


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


def related(folder, synsets, classes, known):
    """Lines of a noun that is none of the known names, and the nearest of these in meaning, behind a "-" if nothing is a
    kind of it: those of oracle/everyday.txt, written by hand, then every tangible noun that occurs in WordNet's tagged texts,
    with the nearest kind it belongs to."""
    by_hand = [line for line in (ROOT / "oracle/everyday.txt").read_text().splitlines() if not line.startswith("#")]
    lines = dict(line.split("\t") for line in by_hand)
    for noun, names in lines.items():
        near = names.removeprefix("-").strip()
        unknown = [name for name in near.split(", ") if near and key(name) not in known]
        if unknown or key(noun) in known:
            sys.exit(f"oracle/everyday.txt: {noun}: {unknown or 'it is a known name'}")
    members = {}
    for synset in classes:
        for above in upwards(synsets, [synset]):
            members[above] = members.get(above, 0) + 1
    tagged = {line.split("%")[0] for line in (folder / "cntlist.rev").read_text().splitlines() if "%1:" in line}
    for line in (folder / "index.noun").read_text(encoding="latin-1").splitlines():
        fields = line.split()
        if line.startswith("  ") or fields[0] not in tagged:
            continue
        noun, first_sense = fields[0].replace("_", " "), f"n{fields[6 + int(fields[3])]}"
        kind = nearest_kind(synsets, members, first_sense)
        if key(noun) not in known and noun not in lines and kind:
            lines[noun] = kind
    return sorted(f"{noun}\t{names}\n" for noun, names in lines.items())


def nearest_kind(synsets, members, synset):
    """The first name of the nearest synset above that has classes below it, unless these are too many or it says nothing;
    "-" if it says that no class is of this kind."""
    if synsets[synset][2] not in TANGIBLE:
        return None
    level = [synset]
    while level:
        level = [parent for child in level for parent in synsets[child][1]]
        for parent in level:
            if parent in members:
                name = PLAINER.get(synsets[parent][0][0], synsets[parent][0][0])
                if name in NO_KIND:
                    return "-"
                return name if members[parent] <= MAX_KINDS and name not in VAGUE else None
    return None


def key(name):
    return re.sub("[^a-z0-9]", "", name.lower())


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
    known = {key(name) for synset in reached for name in synsets[synset][0]}
    known |= {key(name) for label in labels for name in label.split(" ", 1)[1].split(",")}
    others = related(folder, synsets, classes, known)
    (OUT / "related.txt").write_text("".join(others))
    sizes = [(OUT / name).stat().st_size for name in ("nouns.txt", "plurals.txt", "related.txt")]
    print(len(reached), "synsets,", len(plurals), "irregular plurals,", len(others), "related nouns,", sum(sizes), "bytes")


if __name__ == "__main__":
    main()
