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


def upright(sides, turn):
    """Where a box of the stored picture is when the EXIF orientation has turned it: mirrored, then by quarters clockwise."""
    mirrored, quarters = {1: (False, 0), 2: (True, 0), 3: (False, 2), 4: (True, 2), 5: (True, 3), 6: (False, 1), 7: (True, 1), 8: (False, 3)}[turn]
    left, top, right, bottom = sides
    if mirrored:
        left, right = 1 - right, 1 - left
    for _ in range(quarters):
        left, top, right, bottom = 1 - bottom, left, 1 - top, right
    return [left, top, right, bottom]


def check(sidecar, answer):
    """Returns the number of regions. They are places in the stored picture (MWG guidelines 2.0, 5.9)."""
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
    turn = answer['orientation'] or 1
    stored = (answer['height'], answer['width']) if turn > 4 else (answer['width'], answer['height'])
    if boxes and (size['W'], size['H']) != stored:
        sys.exit(f'{sidecar}: {size}, but the photo has {stored} pixels')
    regions = info.get('RegionList', [])
    for region, (name, box) in zip(regions, boxes, strict=True):
        apart = max(abs(a - b) for a, b in zip(upright(corners(region), turn), box))
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
    # Turned in all ways.
    for turn in range(1, 9):
        turned = arguments.work / 'photos' / f'turned_{turn}.jpg'
        shutil.copy(arguments.photos / 'chelsea.jpg', turned)
        lines('exiftool', '-overwrite_original', f'-Orientation#={turn}', turned)
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
