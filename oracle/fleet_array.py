"""A fleet as an array job: shards as processes that are killed, started twice and started again; then one library.

    python3 oracle/fleet_array.py WORK --lorgnette PROGRAM [--photos FOLDER] [--shards 12] [--kills 12] [--processes 3]

The photos are parts of those in FOLDER, one in fifteen of them damaged. Three processes at a time run random shards that are not there
yet, some of them twice at once, and are killed at random. In the end every shard must be there with the bytes of an undisturbed run, and
the merged library must answer as one that `index` made.
"""

import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
QUERIES = ("cat", "cup in the middle", "NOT cat", "rocket OR cat", "taken after 2000")


def make_photos(source, folder, count):
    contents = [path.read_bytes() for path in sorted(source.glob("*.jpg"))]
    for number in range(count):
        path = folder / f"{number % 4}" / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"copy {number}".encode()
        comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
        content = contents[number % len(contents)]
        content = content[:2] + comment + content[2:]
        path.write_bytes(content[: len(content) // 9] if number % 15 == 14 else content)


class Fleet:
    def __init__(self, arguments, manifest, out):
        self.program = arguments.lorgnette
        self.shards = arguments.shards
        self.manifest = manifest
        self.out = out

    def command(self, shard, threads="1"):
        command = [self.program, "fleet", "run", "--manifest", self.manifest, "--shard", f"{shard}/{self.shards}"]
        return [*command, "--out", self.out, "--map-side", "256", "--threads", threads, "--quiet"]

    def is_there(self, shard):
        name = f"part-{shard:05}-of-{self.shards:05}"
        return all((self.out / f"{name}{ending}").exists() for ending in (".parquet", ".failed.parquet"))

    def missing(self):
        return [shard for shard in range(self.shards) if not self.is_there(shard)]


def run_disturbed(fleet, arguments, chance):
    """Runs shards until all are there; returns numbers of starts and kills."""
    running, starts, kills, failures = [], 0, 0, []
    while fleet.missing() or running:
        while len(running) < arguments.processes and fleet.missing():
            # Whether another process is at it is not looked at.
            shard = chance.choice(fleet.missing())
            running.append(subprocess.Popen(fleet.command(shard), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
            starts += 1
        time.sleep(chance.uniform(0.02, 0.3))
        if kills < arguments.kills and running:
            chance.choice(running).kill()
            kills += 1
        for process in [process for process in running if process.poll() is not None]:
            running.remove(process)
            message = process.stderr.read().decode()
            if process.returncode not in (0, -9):
                failures.append(f"exit code {process.returncode}: {message}")
    return starts, kills, failures


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("part-")}


def answers(program, library):
    found = []
    for query in QUERIES:
        command = [program, "search", query, "--library", library, "--format", "json", "--limit", "1000"]
        found.append(subprocess.run(command, capture_output=True, text=True).stdout)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--lorgnette", required=True, type=pathlib.Path)
    parser.add_argument("--photos", type=pathlib.Path, default=ROOT / "photos")
    parser.add_argument("--count", type=int, default=90)
    parser.add_argument("--shards", type=int, default=12)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    arguments.lorgnette = arguments.lorgnette.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    photos, manifest = work / "photos", work / "photos.parquet"
    make_photos(arguments.photos, photos, arguments.count)
    lorgnette = arguments.lorgnette
    subprocess.run([lorgnette, "fleet", "manifest", photos, "--out", manifest, "--quiet"], check=True)

    disturbed = Fleet(arguments, manifest, work / "disturbed")
    disturbed.out.mkdir()
    starts, kills, wrong = run_disturbed(disturbed, arguments, random.Random(arguments.seed))
    undisturbed = Fleet(arguments, manifest, work / "undisturbed")
    for shard in range(arguments.shards):
        subprocess.run(undisturbed.command(shard, threads="2"), check=True, stdout=subprocess.DEVNULL)
    if files(disturbed.out) != files(undisturbed.out):
        wrong.append("the parts are not those of an undisturbed run")

    merge = [lorgnette, "fleet", "merge", disturbed.out, "--library", work / "merged.lgn", "--format", "json"]
    merged = json.loads(subprocess.run(merge, check=True, capture_output=True, text=True).stdout)
    index = [lorgnette, "index", photos, "--library", work / "indexed.lgn", "--map-side", "256", "--quiet"]
    subprocess.run(index, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if answers(lorgnette, work / "merged.lgn") != answers(lorgnette, work / "indexed.lgn"):
        wrong.append("the merged library does not answer as the indexed one")
    if merged["photos"] != arguments.count or merged["failed"] != arguments.count // 15 or merged["repeated"]:
        wrong.append(f"the merged library has other photos: {merged}")
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{arguments.shards} shards, {starts} starts, {kills} killed, {merged['photos']} photos, {merged['failed']} failed")
    print("every photo once, the same bytes, the same answers" if not wrong else f"{len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
