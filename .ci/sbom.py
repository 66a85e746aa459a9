"""Writes a software bill of materials (CycloneDX 1.6) of what is in a program or a wheel.

    python3 .ci/sbom.py lorgnette-cli --out lorgnette.cdx.json [--target x86_64-unknown-linux-gnu] [--features heic,jxl,serve]
    python3 .ci/sbom.py --check lorgnette.cdx.json --program target/release/lorgnette

It has every crate that is linked in, with version, licence, checksum and where it came from, which depends on which, and the data files
that are compiled in, with their digests. `--check` looks into a program: every crate whose source files its messages name must be listed.
Needs cargo and python3, and no network once the crates are fetched.
"""

import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
DATA = (
    ("MobileNet V1 1.0 224", "crates/lorgnette/models/mobilenet_v1_1.0_224.pb", "Apache-2.0"),
    ("CenterFace", "crates/lorgnette/models/centerface.onnx", "MIT"),
)
LICENCES_OF_TEXT = {"MIT/Apache-2.0": "MIT OR Apache-2.0"}


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def metadata(target):
    command = ["metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    return json.loads(cargo(*command))


def linked(package, target, features):
    """Names and versions of the crates that `package` links, itself among them, by `cargo tree`."""
    command = ["tree", "--locked", "--package", package, "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]
    command += ["--target", target]
    if features:
        command += ["--features", ",".join(features)]
    lines = [line.split() for line in cargo(*command).splitlines()]
    return {(words[0], words[1].removeprefix("v")) for words in lines}


def component(entry, checksums):
    name, version = entry["name"], entry["version"]
    licence = entry.get("license") or ""
    made = {
        "type": "library",
        "bom-ref": f"pkg:cargo/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:cargo/{name}@{version}",
        "scope": "required",
    }
    if entry.get("description"):
        made["description"] = " ".join(entry["description"].split())
    if licence:
        made["licenses"] = [{"expression": LICENCES_OF_TEXT.get(licence, licence.replace("/", " OR "))}]
    if (name, version) in checksums:
        made["hashes"] = [{"alg": "SHA-256", "content": checksums[name, version]}]
    if entry.get("repository"):
        made["externalReferences"] = [{"type": "vcs", "url": entry["repository"]}]
    return made


def data_component(name, path, licence):
    content = (ROOT / path).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return {
        "type": "machine-learning-model",
        "bom-ref": f"file:{path}",
        "name": name,
        "licenses": [{"expression": licence}],
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def make(package, target, features):
    found = metadata(target)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {(entry["name"], entry["version"]): entry["checksum"] for entry in lock if "checksum" in entry}
    crates = linked(package, target, features)
    packages = [entry for entry in found["packages"] if (entry["name"], entry["version"]) in crates]
    references = {entry["id"]: f"pkg:cargo/{entry['name']}@{entry['version']}" for entry in packages}
    components = {entry["name"]: [] for entry in packages}
    for entry in packages:
        components[entry["name"]].append(component(entry, checksums))
    root = components.pop(package)[0]
    root["type"] = "application"
    rest = sorted((each for several in components.values() for each in several), key=lambda each: each["bom-ref"])
    data = [data_component(*each) for each in DATA if (ROOT / each[1]).exists()]
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    dependencies = [
        {
            "ref": reference,
            "dependsOn": sorted({references[each["pkg"]] for each in nodes[identity]["deps"] if each["pkg"] in references}),
        }
        for identity, reference in references.items()
    ]
    # The same contents have the same number.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([rest, data, target]))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": root,
            "properties": [{"name": "target", "value": target}, {"name": "features", "value": ",".join(features)}],
        },
        "components": rest + data,
        "dependencies": sorted(dependencies, key=lambda each: each["ref"]),
    }


def check(path, program):
    """Compares a bill of materials with the crates whose source files the program names, and looks for missing licences."""
    bill = json.loads(path.read_text())
    listed = {each["bom-ref"] for each in bill["components"]}
    pattern = rb"registry[/\\]src[/\\][^/\\]+[/\\]([A-Za-z0-9_-]+?)-(\d+\.\d+\.\d+[A-Za-z0-9.+-]*)[/\\]"
    named = {f"pkg:cargo/{name.decode()}@{version.decode()}" for name, version in re.findall(pattern, program.read_bytes())}
    wrong = [f"in the program and not listed: {each}" for each in sorted(named - listed)]
    wrong += [f"without a licence: {each['bom-ref']}" for each in bill["components"] if not each.get("licenses")]
    if not named:
        wrong.append(f"{program}: it names no source file of a crate")
    print("\n".join(wrong) if wrong else f"{len(listed)} components; all {len(named)} crates that the program names are among them")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", nargs="?", default="lorgnette-cli")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--target", default="x86_64-unknown-linux-gnu")
    parser.add_argument("--features", default="")
    parser.add_argument("--check", type=pathlib.Path)
    parser.add_argument("--program", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.check:
        return check(arguments.check, arguments.program or parser.error("--check needs --program"))
    features = [feature for feature in arguments.features.split(",") if feature]
    text = json.dumps(make(arguments.package, arguments.target, features), indent=1) + "\n"
    if arguments.out:
        arguments.out.write_text(text)
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
