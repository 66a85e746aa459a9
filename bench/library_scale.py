"""What a library of photos costs as it grows from a thousand photos to a million: a plot.

    cargo build --release -p lorgnette-library --example synthetic
    python3 bench/library_scale.py target/release/examples/synthetic REAL.lgn WORK --plot docs/pictures/library_scale.svg

REAL.lgn is a library of real photos, whose statistics the made-up ones have; WORK takes the libraries, 2.5 GB for a million
photos. `--times FILE` keeps the raw lines, or draws those that are in it already, without measuring. Standard library alone.
"""
import argparse
import json
import math
import pathlib
import subprocess

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SERIES = (
    ('similar photos', '#1f78b4', lambda row: row['similar_ms']),
    ('"school bus in the middle AND flower pot in the top left corner"', '#e31a1c', lambda row: row['query_ms']['tutorial']),
    ('"school bus in the middle"', '#33a02c', lambda row: row['query_ms']['one']),
    ('"dog left of vehicle", 118 classes beside 67', '#ff7f00', lambda row: row['query_ms']['hypernym']),
)
LEFT, TOP, WIDTH, HEIGHT = 70, 50, 620, 380


def measured(args):
    """A line a size; each library is the one before with more photos."""
    library = args.work / 'made_up.lgn'
    for ending in ('', '-wal', '-shm'):
        pathlib.Path(f'{library}{ending}').unlink(missing_ok=True)
    args.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for size in (size for size in SIZES if size <= args.most):
        subprocess.run([args.synthetic, 'make', args.real, library, str(size)], check=True)
        out = subprocess.run([args.synthetic, 'time', library], check=True, capture_output=True, text=True).stdout
        rows.append(json.loads(out))
        print(out.strip(), flush=True)
    return rows


def plot(rows):
    """Milliseconds over photos, both by powers of ten, as SVG."""
    slowest = max(value(row) for row in rows for _, _, value in SERIES)
    lowest, highest = -2, max(3, math.ceil(math.log10(slowest)))
    x = lambda photos: LEFT + WIDTH * (math.log10(photos) - 3) / 3
    y = lambda ms: TOP + HEIGHT * (highest - math.log10(ms)) / (highest - lowest)
    marks = []
    words = lambda text, at, more='': marks.append(f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" {more}>{text}</text>')
    line = lambda a, b, colour, width=1, more='': marks.append(
        f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" stroke="{colour}" stroke-width="{width}" {more}/>')
    words('A library of photos as it grows: a warm question, milliseconds', (LEFT, 28), 'font-size="16" font-weight="bold"')
    for power in range(lowest, highest + 1):
        line((LEFT, y(10.0**power)), (LEFT + WIDTH, y(10.0**power)), '#ddd')
        words(f'{10.0**power:g}', (LEFT - 8, y(10.0**power) + 4), 'text-anchor="end"')
    for photos in SIZES:
        line((x(photos), TOP), (x(photos), TOP + HEIGHT), '#ddd')
        words(f'{photos:,}', (x(photos), TOP + HEIGHT + 20), 'text-anchor="middle"')
    words('photos', (LEFT + WIDTH / 2, TOP + HEIGHT + 40), 'text-anchor="middle"')
    for target, what in ((50, 'queries: under 50 ms'), (200, 'similarity: under 200 ms')):
        line((LEFT, y(target)), (LEFT + WIDTH, y(target)), '#888', 1, 'stroke-dasharray="5 4"')
        words(f'{what} at a million', (LEFT + 6, y(target) - 5), 'fill="#555" font-size="12"')
    for at, (name, colour, value) in enumerate(SERIES):
        points = [(x(row['photos']), y(value(row))) for row in rows]
        for a, b in zip(points, points[1:]):
            line(a, b, colour, 2.5)
        for (cx, cy), row in zip(points, rows):
            marks.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="4" fill="{colour}"><title>{value(row):.2f} ms</title></circle>')
        height = TOP + HEIGHT + 66 + 20 * at
        line((LEFT, height - 4), (LEFT + 24, height - 4), colour, 2.5)
        words(f'{name}: {value(rows[-1]):.1f} ms at {rows[-1]["photos"]:,}', (LEFT + 32, height))
    size = f'{rows[-1]["bytes_a_photo"]:,.0f} bytes of library a photo'
    words(size, (LEFT, TOP + HEIGHT + 66 + 20 * len(SERIES)))
    whole = (LEFT + WIDTH + 40, TOP + HEIGHT + 86 + 20 * len(SERIES))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole[0]} {whole[1]}" font-family="sans-serif" font-size="13">'
            f'<rect width="100%" height="100%" fill="white"/>{"".join(marks)}</svg>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('synthetic', type=pathlib.Path)
    parser.add_argument('real', type=pathlib.Path)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--most', type=int, default=SIZES[-1])
    parser.add_argument('--times', type=pathlib.Path)
    parser.add_argument('--plot', type=pathlib.Path)
    args = parser.parse_args()
    args.synthetic = args.synthetic.resolve()
    if args.times and args.times.exists():
        rows = [json.loads(line) for line in args.times.read_text().splitlines() if line.startswith('{')]
    else:
        rows = measured(args)
        if args.times:
            args.times.parent.mkdir(parents=True, exist_ok=True)
            args.times.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    if args.plot:
        args.plot.write_text(plot(rows))


if __name__ == '__main__':
    main()
