#!/usr/bin/env python3
"""Uses the pages of `lorgnette serve --library` in Chromium, over collages that it draws: a school bus in the middle and a
flower pot in the top left corner, their mirror images, and others.

    server_pages.py WORK --lorgnette PROGRAM --modules DIR [--chromium FILE]

DIR has playwright-core and axe-core (oracle/server_pages.sh). Screenshots are left in WORK/screenshots. Needs Pillow and
Node. Without Chromium nothing is tried, and it says so.
"""
import argparse
import json
import math
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading

from PIL import Image, ImageDraw, ImageOps

ROOT = pathlib.Path(__file__).resolve().parent.parent
GREY = (127, 127, 127)
SIDE, GAP = 220, 20
MODEL = 'mobilenet_v1_1.0_224'


def school_bus(side):
    """A school bus as a child draws it; the network is 85 % sure."""
    picture = Image.new('RGB', (300, 300), (150, 190, 225))
    draw = ImageDraw.Draw(picture)
    yellow, black = (244, 178, 22), (25, 25, 25)
    draw.rectangle((0, 205, 300, 300), fill=(95, 95, 98))
    draw.rectangle((0, 150, 300, 205), fill=(90, 140, 70))
    draw.rounded_rectangle((12, 70, 240, 215), radius=12, fill=yellow)
    draw.rounded_rectangle((225, 140, 288, 215), radius=10, fill=yellow)
    for top in (150, 172, 194):
        draw.rectangle((12, top, 288, top + 5), fill=black)
    for window in range(6):
        left = 22 + 32 * window
        draw.rectangle((left, 88, left + 26, 124), fill=(45, 60, 80), outline=black)
    draw.polygon((214, 88, 236, 88, 244, 138, 214, 138), fill=(60, 80, 105), outline=black)
    draw.rectangle((60, 74, 190, 84), fill=(250, 215, 90))
    for middle in (70, 235):
        draw.ellipse((middle - 26, 190, middle + 26, 242), fill=(20, 20, 20))
        draw.ellipse((middle - 11, 205, middle + 11, 227), fill=(150, 150, 150))
    draw.ellipse((276, 168, 288, 180), fill=(255, 255, 220))
    for left in (20, 226):
        draw.ellipse((left, 74, left + 10, 84), fill=(220, 30, 30))
    return picture.resize((side, side), Image.BICUBIC)


def flower_pot(side):
    """A round clay pot with leaves; the network is 97 % sure."""
    chance = random.Random(5)
    picture = Image.new('RGB', (300, 300), (225, 222, 214))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 250, 300, 300), fill=(170, 140, 110))
    for _ in range(40):
        angle, length, width = chance.uniform(-1.2, 1.2), chance.uniform(60, 130), chance.uniform(5, 9)
        x, y = 150 + length * math.sin(angle), 150 - length * math.cos(angle)
        across, along = math.cos(angle) * width, math.sin(angle) * width
        green = chance.randint(100, 170)
        colour = (chance.randint(30, 80), green, chance.randint(30, 60))
        draw.polygon((150, 155, (150 + x) / 2 + across, (150 + y) / 2 + along, x, y, (150 + x) / 2 - across, (150 + y) / 2 - along), fill=colour)

    def clay(rows, half, base, dark=lambda row: 1):
        for row in rows:
            width = half(row)
            for x in range(int(150 - width), int(150 + width)):
                light = dark(row) * (base + 0.45 * math.sqrt(max(0, 1 - ((x - 150) / width + 0.3) ** 2 / 1.7)))
                picture.putpixel((x, row), tuple(min(255, int(level * light)) for level in (207, 110, 68)))

    clay(range(150, 268), lambda row: 1.3 * (62 - 18 * (row - 150) / 118), 0.62)
    clay(range(138, 166), lambda row: 1.3 * 70, 0.68, lambda row: 0.7 if row > 161 else 1)
    return picture.resize((side, side), Image.BICUBIC)


def photo(name):
    def cut(side):
        with Image.open(ROOT / 'photos' / name) as picture:
            return ImageOps.fit(picture.convert('RGB'), (side, side), Image.BICUBIC)
    return cut


def collage(cells):
    """A grid of three by three, on grey; `cells` has what lies in a row and column."""
    step = SIDE + GAP
    picture = Image.new('RGB', (3 * step + GAP,) * 2, GREY)
    for (row, column), make in cells.items():
        picture.paste(make(SIDE), (GAP + column * step, GAP + row * step))
    return picture


def collages(folder):
    bus, pot, cat, coffee = school_bus, flower_pot, photo('chelsea.jpg'), photo('coffee.jpg')
    wanted = {(1, 1): bus, (0, 0): pot, (2, 2): cat}
    pictures = {
        'bus and pot.jpg': collage(wanted),
        'mirrored.jpg': ImageOps.mirror(collage(wanted)),
        'upside down.jpg': collage({(1, 1): bus, (2, 0): pot, (0, 2): cat}),
        'exchanged.jpg': collage({(1, 1): pot, (0, 0): bus}),
        'bus alone.jpg': collage({(1, 1): bus, (0, 0): coffee}),
        'pot alone.jpg': collage({(0, 0): pot, (1, 1): cat, (2, 0): coffee}),
        'neither.jpg': collage({(1, 1): cat, (0, 0): coffee}),
    }
    folder.mkdir(parents=True)
    for name, picture in pictures.items():
        picture.save(folder / name, quality=92, subsampling=0)
    shutil.copy(folder / 'neither.jpg', folder / 'a copy of neither.jpg')


def serve(program, library):
    words = [program, 'serve', MODEL, f'other={MODEL}', '--library', library, '--http', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--queue', '200']
    process = subprocess.Popen([*map(str, words)], stderr=subprocess.PIPE, text=True)
    address = None
    for line in process.stderr:
        found = re.search(r'listening at (http://\S+)', line)
        address = address or (found and found[1])
        if 'serving ' in line:
            break
    else:
        sys.exit('the server does not start')
    threading.Thread(target=lambda: [None for _ in process.stderr], daemon=True).start()
    return process, address


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', required=True)
    parser.add_argument('--modules', type=pathlib.Path, required=True)
    parser.add_argument('--chromium')
    arguments = parser.parse_args()
    names = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
    chromium = arguments.chromium or next(filter(None, map(shutil.which, names)), None)
    if chromium is None or shutil.which('node') is None:
        print('not tried: the pages need Chromium and Node, which this machine has not')
        return
    shutil.rmtree(arguments.work, ignore_errors=True)
    screenshots = arguments.work / 'screenshots'
    screenshots.mkdir(parents=True)
    collages(arguments.work / 'collages')
    library = arguments.work / 'collages.lgn'
    subprocess.run([arguments.lorgnette, 'index', arguments.work / 'collages', '--library', library], check=True)
    process, address = serve(arguments.lorgnette, library)
    settings = {
        'url': address, 'chromium': chromium, 'modules': str(arguments.modules.resolve()), 'out': str(screenshots),
        'photo': str(ROOT / 'photos' / 'chelsea.jpg'), 'face': str(ROOT / 'photos' / 'astronaut.jpg'), 'second': 'other',
        'query': 'school bus in the middle, flower pot in the top left corner', 'expected': 'bus and pot.jpg', 'copies': 1,
        'things': [{'name': 'school bus', 'typed': 'school b', 'box': [0.36, 0.36, 0.64, 0.64]},
                   {'name': 'flowerpot', 'typed': 'flowerp', 'box': [0.02, 0.02, 0.32, 0.32]}],
    }
    (arguments.work / 'settings.json').write_text(json.dumps(settings))
    try:
        done = subprocess.run(['node', ROOT / 'oracle' / 'server_pages.mjs', arguments.work / 'settings.json'])
    finally:
        process.send_signal(signal.SIGTERM)
        ended = process.wait(timeout=70)
    sys.exit(done.returncode or ended)


if __name__ == '__main__':
    main()
