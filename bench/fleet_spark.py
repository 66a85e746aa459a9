"""A fleet on Spark, as docs/fleet_spark.md shows it, beside the program.

    JAVA_HOME=/usr/lib/jvm/java-17-openjdk-amd64 python bench/fleet_spark.py WORK [--photos FOLDER] [--count 300] [--cores 2]

Run it with a Python that has the wheel, pyarrow and pyspark. The rows must be those of `lorgnette fleet run`, and the merged library must
answer a search as the program's; the script ends with 1 if not.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

from fleet_ray import PROGRAM, ROOT, compare, make_photos, read_rows, run_program, search, write_manifest


def run_spark(paths, out, cores, map_side):
    from lorgnette.fleet import Analyse, analyse_batches, spark_schema
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F

    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (
        SparkSession.builder.master(f"local[{cores}]")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", 64)
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    started = time.perf_counter()
    photos = (
        spark.read.format("binaryFile")
        .load([str(path) for path in paths if path.exists()])
        .select(
            F.regexp_replace("path", "^file:", "").alias("path"),
            (F.unix_micros("modificationTime") * 1000).alias("modified_ns"),
            F.col("content").alias("bytes"),
        )
        .repartition(2 * cores)
    )
    rows = photos.mapInArrow(lambda batches: analyse_batches(batches, map_side=map_side), spark_schema())
    rows.write.option("compression", "none").parquet(str(out))
    seconds = time.perf_counter() - started
    Analyse(map_side=map_side).write_empty_part(out / "empty.parquet")
    version = spark.version
    spark.stop()
    return seconds, version


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--photos", type=pathlib.Path, default=ROOT / "photos")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--cores", type=int, default=2, dest="workers")
    parser.add_argument("--map-side", type=int, default=256)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    paths = [path for path in make_photos(arguments.photos, work / "photos", arguments.count) if path.exists()]
    write_manifest(paths, work / "manifest.parquet")
    alone = run_program(work / "manifest.parquet", work / "program", arguments)
    print(f"fleet run: {alone:.1f} s, {len(paths) / alone:.1f} photos/s", flush=True)
    seconds, version = run_spark(paths, work / "spark", arguments.workers, arguments.map_side)
    print(f"Spark {version}: {seconds:.1f} s, {len(paths) / seconds:.1f} photos/s with the start of its workers")
    # Spark's times are whole milliseconds.
    rows = [[{**row, "modified_ns": None} for row in read_rows(work / name)] for name in ("program", "spark")]
    wrong = compare(*rows, paths)
    if search(work / "spark", work / "spark.lgn") != search(work / "program", work / "program.lgn"):
        wrong.append("the library answers a search otherwise")
    print("\n".join(wrong[:20]) if wrong else f"{len(paths)} photos once, the same rows, the same answers ({PROGRAM.name})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
