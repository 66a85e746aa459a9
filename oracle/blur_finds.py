"""In how many photos `blur` finds a class, where it is and where it is not.

    python3 oracle/blur_finds.py PHOTOS FLOWERS --lorgnette PROGRAM [PROGRAM...] [--names dog cat ...] [--each 15]

PHOTOS are named SYNSET_name, as ../shared/photos has, of one class each; FLOWERS are folders of photos. Each of PHOTOS is asked
for its own class, then all, and the first of each folder of FLOWERS, for each name; printed are the photos in which it is
found, and the largest share that is hidden. Which of them show it is for you to see.

Needs numpy and Pillow.
"""
import argparse
import json
import pathlib

from pasted import run


def hidden(program, photos, name):
    """The largest share of each photo that one area hides; 0 where nothing is found."""
    answers = run(program, 'blur', *photos, '--class', name, '--dry-run', '--format', 'json').splitlines()
    return [max((area['share'] for area in json.loads(answer)['blurred']), default=0) for answer in answers]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photos', type=pathlib.Path)
    parser.add_argument('flowers', type=pathlib.Path)
    parser.add_argument('--lorgnette', nargs='+', required=True)
    parser.add_argument('--names', nargs='+', default=['go-kart', 'pizza', 'cat', 'bird', 'macaque', 'dog', 'school bus'])
    parser.add_argument('--each', type=int, default=15)
    arguments = parser.parse_args()
    photos = sorted(arguments.photos.glob('n*_*'))
    folders = sorted(path for path in arguments.flowers.iterdir() if path.is_dir())
    flowers = [path for folder in folders for path in sorted(folder.iterdir())[:arguments.each]]
    for program in arguments.lorgnette:
        own = [hidden(program, [photo], photo.name.split('_')[0])[0] for photo in photos]
        missed = [photo.stem for photo, share in zip(photos, own) if not share]
        print(f'{program}: its own class is found in {len(photos) - len(missed)} of {len(photos)}, not in: {", ".join(missed)}')
        for name in arguments.names:
            shares = zip(photos + flowers, hidden(program, photos + flowers, name))
            found = [f'{photo.stem} {share:.1%}' for photo, share in shares if share]
            print(f'  {name} in {len(found)} of {len(photos + flowers)}: {", ".join(found)}')


if __name__ == '__main__':
    main()
