"""XMP sidecars as exiftool reads them: the keywords and the regions that the program says it found.

    python3 oracle/sidecars.py PHOTOS WORK --lorgnette target/release/lorgnette

PHOTOS is copied into WORK, indexed, and sidecars are written; exiftool (Debian: libimage-exiftool-perl) reads each one. Its
keywords must be the first names of what `library show` has, and its regions (Metadata Working Group, 2010) their boxes; it must
find nothing wrong with the file.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

PROBABILITY = 0.5


def lines(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'{words}: {done.stderr}')
    return done.stdout


def corners(region):
    area = region['Area']
    assert area['Unit'] == 'normalized', area
    return [area['X'] - area['W'] / 2, area['Y'] - area['H'] / 2, area['X'] + area['W'] / 2, area['Y'] + area['H'] / 2]


def check(sidecar, answer):
    """Returns the number of regions."""
    read = json.loads(lines('exiftool', '-json', '-struct', '-validate', '-warning', '-all', sidecar))[0]
    if read.get('Warning') or read.get('Error'):
        sys.exit(f'{sidecar}: exiftool says {read.get("Warning")} {read.get("Error")}')
    certain = [finding for finding in answer['findings'] if finding['probability'] >= PROBABILITY and finding['source'] != 'refuted']
    first = [finding['name'].split(',')[0].strip() for finding in certain]
    subject = read.get('Subject', [])
    keywords = [str(word) for word in (subject if isinstance(subject, list) else [subject])]
    if keywords != list(dict.fromkeys(first)):
        sys.exit(f'{sidecar}: {keywords}, but {first} were found')
    info = read.get('RegionInfo', {})
    boxes = [(name, finding['box']) for name, finding in zip(first, certain) if finding['box']]
    size = info.get('AppliedToDimensions', {})
    if boxes and (size['W'], size['H']) != (answer['width'], answer['height']):
        sys.exit(f'{sidecar}: {size}, but the photo has {answer["width"]} x {answer["height"]} pixels')
    regions = info.get('RegionList', [])
    for region, (name, box) in zip(regions, boxes, strict=True):
        apart = max(abs(a - b) for a, b in zip(corners(region), box))
        if region['Name'] != name or apart > 2e-6:
            sys.exit(f'{sidecar}: {region}, but {name} is in {box}')
    return len(regions)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photos', type=pathlib.Path)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    shutil.copytree(arguments.photos, arguments.work / 'photos')
    library = arguments.work / 'photos.lgn'
    lines(arguments.lorgnette, 'index', arguments.work / 'photos', '--library', library, '--write-sidecars',
          '--sidecar-probability', PROBABILITY, '--quiet')
    sidecars = sorted((arguments.work / 'photos').rglob('*.xmp'))
    regions = 0
    for sidecar in sidecars:
        shown = lines(arguments.lorgnette, 'library', 'show', sidecar.with_suffix(''), '--library', library, '--format', 'json')
        regions += check(sidecar, json.loads(shown.splitlines()[0]))
    if not regions:
        sys.exit('no sidecar has a region')
    print(f'{len(sidecars)} sidecars, {regions} regions: exiftool {lines("exiftool", "-ver").strip()} reads what was found')


if __name__ == '__main__':
    main()
