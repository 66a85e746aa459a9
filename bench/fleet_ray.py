"""A fleet on a local Ray cluster, with workers that are killed, beside the program alone.

    python bench/fleet_ray.py WORK [--photos FOLDER] [--count 3000] [--kills 10] [--workers 2] [--map-side 256]

Run it with a Python that has the wheel, pyarrow, Ray and aiohttp (docs/fleet.md says why). WORK gets `--count` photos, copies of those in FOLDER that differ in a comment
each; every hundredth is no photo, and every five-hundredth is missing. Then

1. `lorgnette fleet run` analyses them on `--workers` threads: the rows that are expected, and the time to compare with;
2. Ray Data does, undisturbed, on as many actors: the time;
3. Ray Data does, while a worker process is killed at random `--kills` times;
4. `lorgnette fleet merge` makes a library of each, which must answer a search alike.

Every photo must be in the output once, with the rows of the program's run; the script ends with 1 if not.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = pathlib.Path(sysconfig.get_path("scripts")) / "lorgnette"
QUERY = "cat OR dog OR cup OR flower"


def make_photos(source, folder, count):
    """Writes the photos; returns their paths, missing ones included."""
    contents = [path.read_bytes() for path in sorted(source.iterdir()) if path.suffix.lower() in (".jpg", ".jpeg")]
    folder.mkdir(parents=True)
    paths = []
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        paths.append(path)
        if number % 500 == 499:
            continue
        text = f"copy {number}".encode()
        comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
        content = contents[number % len(contents)]
        path.write_bytes(text if number % 100 == 99 else content[:2] + comment + content[2:])
    return paths


def write_manifest(paths, manifest):
    import pyarrow as pa
    import pyarrow.parquet as pq

    times = [path.stat().st_mtime_ns if path.exists() else None for path in paths]
    table = pa.table({"path": [str(path) for path in paths], "modified_ns": pa.array(times, pa.int64())})
    pq.write_table(table, manifest, row_group_size=100)


def run_program(manifest, out, arguments):
    command = [PROGRAM, "fleet", "run", "--manifest", manifest, "--out", out, "--format", "json"]
    command += ["--threads", arguments.workers, "--map-side", arguments.map_side]
    ended = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    return json.loads(ended.stdout)["seconds"]


def run_ray(manifest, out, arguments, kills=0):
    """Analyses the photos with Ray Data; returns the seconds it took and the number of kills."""
    import ray
    from lorgnette.ray import Analyse
    from ray.data.expressions import download

    killer = Killer(kills, arguments)
    started = time.perf_counter()
    photos = ray.data.read_parquet(str(manifest)).with_column("bytes", download("path"))
    rows = photos.map_batches(
        Analyse,
        fn_constructor_kwargs={"map_side": arguments.map_side},
        batch_format="pyarrow",
        batch_size=16,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=arguments.workers),
    )
    killer.start()
    rows.write_parquet(str(out))
    seconds = time.perf_counter() - started
    killer.stop()
    return seconds, killer.killed


class Killer(threading.Thread):
    """Kills worker processes of this cluster that analyse photos."""

    def __init__(self, kills, arguments):
        super().__init__(daemon=True)
        self.kills = kills
        self.pause = arguments.pause
        self.random = random.Random(arguments.seed)
        self.killed = 0
        self.stopped = threading.Event()

    def run(self):
        while self.killed < self.kills and not self.stopped.wait(self.pause * self.random.uniform(0.5, 1.5)):
            workers = analysing_workers()
            if workers:
                os.kill(self.random.choice(workers), signal.SIGKILL)
                self.killed += 1

    def stop(self):
        self.stopped.set()
        self.join()


def analysing_workers():
    """The processes of actors of this script's cluster, which are descendants of this process."""
    parents, names = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                names[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, ValueError):
                continue

    def is_ours(pid):
        while pid in parents:
            if pid == os.getpid():
                return True
            pid = parents[pid]
        return False

    return [pid for pid, name in names.items() if name.startswith("ray::") and "Analyse" in name and is_ours(pid)]


def read_rows(folder):
    """All rows of a folder's parts by photo, without their numbers."""
    import pyarrow.parquet as pq

    rows = []
    for path in sorted(folder.glob("*.parquet")):
        rows += pq.read_table(path).drop_columns(["number"]).to_pylist()
    return sorted(rows, key=lambda row: row["photo"])


def compare(expected, found, paths):
    """Returns what is wrong with rows, as lines."""
    wrong = []
    names = [row["photo"] for row in found]
    if names != sorted(str(path) for path in paths):
        repeated = len(names) - len(set(names))
        wrong.append(f"{len(names)} rows for {len(paths)} photos, {repeated} of them repeated")
    for one, other in zip(expected, found):
        if one["photo"] == other["photo"] and not pathlib.Path(one["photo"]).exists():
            # What is said of a missing photo depends on who looked for it.
            one, other = ({"stage": row["stage"], "sha256": row["sha256"]} for row in (one, other))
        if one != other:
            keys = [key for key in one if one[key] != other.get(key)]
            wrong.append(f"{one.get('photo')}: other {', '.join(keys)}")
    return wrong


def search(parts, library):
    subprocess.run([PROGRAM, "fleet", "merge", parts, "--library", library], check=True, capture_output=True)
    command = [PROGRAM, "search", QUERY, "--library", library, "--format", "json", "--limit", "100000"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--photos", type=pathlib.Path, default=ROOT / "photos")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--pause", type=float, default=4.0, help="mean seconds between two kills")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--map-side", type=int, default=256)
    parser.add_argument("--turns", type=int, default=1, help="undisturbed runs of the program and of Ray in turns")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    paths = make_photos(arguments.photos, work / "photos", arguments.count)
    manifest = work / "manifest.parquet"
    write_manifest(paths, manifest)

    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    if importlib.util.find_spec("aiohttp") is None:
        raise SystemExit("without aiohttp, Ray takes photos that are there for missing ones: pip install aiohttp")
    import ray

    # Reading and downloading take two of Ray's CPUs, and hardly any time.
    ray.init(num_cpus=arguments.workers + 2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    programs, rays = [], []
    for turn in range(arguments.turns):
        programs.append(run_program(manifest, work / f"program-{turn}", arguments))
        print(f"fleet run: {programs[-1]:.1f} s, {arguments.count / programs[-1]:.1f} photos/s", flush=True)
        rays.append(run_ray(manifest, work / f"ray-{turn}", arguments)[0])
        print(f"Ray Data: {rays[-1]:.1f} s, {arguments.count / rays[-1]:.1f} photos/s", flush=True)
    seconds, killed = run_ray(manifest, work / "killed", arguments, arguments.kills)
    print(f"Ray Data with {killed} workers killed: {seconds:.1f} s", flush=True)
    ray.shutdown()

    expected = read_rows(work / "program-0")
    failed = sum(row["error"] is not None for row in expected)
    wrong = [] if killed >= arguments.kills else [f"only {killed} workers could be killed in time"]
    found_by_program = search(work / "program-0", work / "program.lgn")
    for name in ("ray-0", "killed"):
        wrong += [f"{name}: {line}" for line in compare(expected, read_rows(work / name), paths)]
        if search(work / name, work / f"{name}.lgn") != found_by_program:
            wrong.append(f"{name}: the library answers a search otherwise")
    ratio = min(programs) / min(rays)
    print(f"{len(expected)} photos, {failed} of them failed; {len(found_by_program.splitlines())} found by '{QUERY}'")
    print(f"throughput of Ray Data by the program's, best of {arguments.turns}: {ratio:.3f}")
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    print("every photo once, the same rows" if not wrong else f"{len(wrong)} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
