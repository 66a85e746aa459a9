"""What befalls a library of photos: killed writers, readers beside them, a full disk, a read-only one, odd paths.

    python3 oracle/library_hardships.py WORK --lorgnette target/release/lorgnette [--kills 100] [--photos 60] [--seed 1]

Makes photos in the folder WORK, indexes them with the program, and looks into the library with Python's own SQLite. Needs the
standard library alone; for the disks `unshare`, and leave to use it. Prints one line a hardship and closes with
`N passed, N failed`; exit code 1 if any failed.
"""
import argparse
import os
import pathlib
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import time

SIDE = 64


def bmp(path, rng):
    """A photo of its own: rectangles of random colours, as a Windows bitmap."""
    pixels = bytearray()
    colours = [rng.randbytes(3) for _ in range(16)]
    for row in range(SIDE):
        for column in range(SIDE):
            pixels += colours[(row // 16) * 4 + column // 16]
    header = struct.pack('<2sIHHI', b'BM', 54 + len(pixels), 0, 0, 54)
    header += struct.pack('<IiiHHIIiiII', 40, SIDE, SIDE, 1, 24, 0, len(pixels), 2835, 2835, 0, 0)
    path.write_bytes(header + bytes(pixels))


def make_photos(folder, count, rng):
    """So many photos, some in folders within, and three files that are none."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / 'within').mkdir(parents=True)
    for number in range(count):
        bmp(folder / ('within' if number % 3 == 0 else '') / f'{number:04}.bmp', rng)
    (folder / 'empty.jpg').write_bytes(b'')
    (folder / 'letter.jpg').write_text('Dear library')
    (folder / 'cut.bmp').write_bytes((folder / '0001.bmp').read_bytes()[:100])
    shutil.copy(folder / '0002.bmp', folder / 'copy.bmp')


def contents(library):
    """Every row of every table that is not SQLite's own, as text."""
    connection = sqlite3.connect(f'file:{library}?mode=ro', uri=True)
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    own = ('region_box_', 'class_name_', 'sqlite_')
    dump = {}
    for name in names:
        if not name.startswith(own):
            dump[name] = sorted(repr(row) for row in connection.execute(f'SELECT * FROM {name}'))
    connection.close()
    return dump


def check_integrity(library):
    connection = sqlite3.connect(library)
    answer = connection.execute('PRAGMA integrity_check').fetchall() + connection.execute("SELECT rtreecheck('region_box')").fetchall()
    connection.close()
    assert answer == [('ok',), ('ok',)], answer


class Program:
    """The program on one library."""

    def __init__(self, lorgnette, library):
        self.lorgnette, self.library = str(lorgnette), str(library)

    def command(self, *words):
        return [self.lorgnette, *map(str, words), '--library', self.library, '--quiet']

    def index(self, folder):
        return self.command('index', folder, '--map-side', 224)

    def run(self, *words, codes=(0,)):
        ended = subprocess.run(self.command(*words), capture_output=True, timeout=300)
        assert ended.returncode in codes, f'{words}: exit code {ended.returncode}: {ended.stderr.decode(errors="replace")}'
        return ended

    def remove(self):
        for ending in ('', '-wal', '-shm'):
            pathlib.Path(self.library + ending).unlink(missing_ok=True)


def killed(args, folder, rng):
    """Killed at random moments: whole each time, and in the end what an undisturbed run makes."""
    undisturbed = Program(args.lorgnette, args.work / 'undisturbed.lgn')
    undisturbed.remove()
    started = time.time()
    subprocess.run(undisturbed.index(folder), capture_output=True, timeout=300)
    whole = time.time() - started
    expected = contents(undisturbed.library)
    photos = len(expected['photo'])
    program = Program(args.lorgnette, args.work / 'killed.lgn')
    program.remove()
    kills = resumed = finished = 0
    while kills < args.kills:
        process = subprocess.Popen(program.index(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, whole * 0.6))
        if process.poll() is None:
            process.kill()
            kills += 1
        process.wait()
        if not pathlib.Path(program.library).exists():
            continue
        program_check(program, photos)
        if kills % 3 == 0:
            check_integrity(program.library)
        if process.returncode in (0, 1):
            assert contents(program.library) == expected, 'the final library is not that of an undisturbed run'
            finished += 1
            program.remove()
        else:
            resumed += 1
    subprocess.run(program.index(folder), capture_output=True, timeout=300)
    check_integrity(program.library)
    program.run('library', 'verify')
    assert contents(program.library) == expected, 'the final library is not that of an undisturbed run'
    return f'killed {kills} times, gone on {resumed} times, to the end {finished + 1} times: each library whole, {photos} photos, the same rows'


def program_check(program, photos):
    """No photo twice, and none that is not there; what was analysed has all that belongs to it."""
    connection = sqlite3.connect(program.library)
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE name = 'photo'")]
    if names:
        paths = [path for (path,) in connection.execute('SELECT path FROM photo')]
        assert len(set(paths)) == len(paths) <= photos
        assert all(os.path.exists(path) for path in paths)
        analysed, featured = (connection.execute(f'SELECT count(*) FROM {table}').fetchone()[0] for table in ('analysis', 'feature'))
        assert analysed == featured, (analysed, featured)
    connection.close()


def read_beside(args, folder, rng):
    """Two processes ask while a third indexes one folder after another, until enough was asked."""
    program = Program(args.lorgnette, args.work / 'beside.lgn')
    program.remove()
    asking = [('library', 'statistics'), ('library', 'similar', folder / '0001.bmp', '--threshold', '-1')]
    if subprocess.run([program.lorgnette, 'search', '--help'], capture_output=True).returncode == 0:
        asking.append(('search', 'window screen OR vehicle'))
    asked = folders = 0
    while asked < 20:
        photos = args.work / 'beside' / str(folders)
        make_photos(photos, args.photos, rng)
        folders += 1
        # Slowly, so that there is time to ask.
        slowly = program.command('index', photos, '--map-side', 448, '--threads', 1)
        writer = subprocess.Popen(slowly, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not pathlib.Path(program.library).exists() or not seen(program):
            time.sleep(0.01)
        while writer.poll() is None:
            readers = [subprocess.Popen(program.command(*rng.choice(asking)), stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
            for reader in readers:
                out, err = reader.communicate(timeout=120)
                assert reader.returncode == 0, err.decode(errors='replace')
                asked += 1
        assert writer.returncode == 1, 'three files are no photos'
    program.run('library', 'verify')
    return f'{asked} questions of two processes at a time while a third was indexing {folders} folders, all answered'


def seen(program):
    """Whether the first photos are in."""
    try:
        connection = sqlite3.connect(f'file:{program.library}?mode=ro', uri=True)
        count = connection.execute('SELECT count(*) FROM analysis').fetchone()[0]
        connection.close()
        return count > 1
    except sqlite3.OperationalError:
        return False


def on_a_disk(args, folder, size, script):
    """Runs a shell script with an empty disk of that size mounted at $disk."""
    disk = args.work / 'disk'
    disk.mkdir(exist_ok=True)
    environment = {**os.environ, 'disk': str(disk), 'lorgnette': str(args.lorgnette), 'photos': str(folder)}
    mount = f'mount -t tmpfs -o size={size} none "$disk"\n'
    return subprocess.run(['unshare', '-rm', 'bash', '-euc', mount + script], capture_output=True, text=True, env=environment, timeout=300)


def full_disk(args, folder, rng):
    """A disk that is full after some photos: said so, nothing lost; with more room it goes on."""
    ended = on_a_disk(args, folder, '64m', '''
        mv "$photos/within" "$disk/../within"
        "$lorgnette" index "$photos" --library "$disk/l" --map-side 224 --quiet >/dev/null 2>&1 || test $? = 1
        mv "$disk/../within" "$photos/within"
        mount -o remount,size=$(( $(du -sk "$disk" | cut -f1) + 64 ))k "$disk"
        code=0; "$lorgnette" index "$photos" --library "$disk/l" --map-side 224 --quiet 2>"$disk/../full.txt" >/dev/null || code=$?
        echo "code $code"
        "$lorgnette" library statistics --library "$disk/l" | head -1
        mount -o remount,size=64m "$disk"
        "$lorgnette" library verify --library "$disk/l"
        code=0; "$lorgnette" index "$photos" --library "$disk/l" --map-side 224 --quiet >/dev/null 2>&1 || code=$?
        echo "code $code"
        "$lorgnette" library verify --library "$disk/l"
        "$lorgnette" library statistics --library "$disk/l" | head -1
        cp "$disk/l" "$disk/../full.lgn"''')
    said = (args.work / 'full.txt').read_text()
    assert ended.returncode == 0, ended.stdout + ended.stderr + said
    first, before, second, after = [line for line in ended.stdout.splitlines()]
    assert first == 'code 2' and 'disk is full' in said, (first, said)
    assert not before.startswith('0 '), 'what was in the library is lost'
    assert second == 'code 0', 'three files are no photos, and that was said before'
    assert contents(args.work / 'full.lgn') == contents(args.work / 'undisturbed.lgn'), 'the rows are not those of an undisturbed run'
    return f'{before.split(",")[0]} before the disk was full, {after.split(",")[0]} after there was room: the rows of an undisturbed run'


def read_only(args, folder, rng):
    """A library on a disk that cannot be written to can be read, and says so if asked for more."""
    shutil.copy(args.work / 'undisturbed.lgn', args.work / 'copy.lgn')
    ended = on_a_disk(args, folder, '16m', '''
        cp "$disk/../copy.lgn" "$disk/l"; mount -o remount,ro "$disk"
        "$lorgnette" library statistics --library "$disk/l" | head -1
        "$lorgnette" library similar "$photos/0001.bmp" --library "$disk/l" --threshold -1 | wc -l
        "$lorgnette" library verify --library "$disk/l"
        code=0; "$lorgnette" index "$photos" --library "$disk/l" 2>&1 >/dev/null || code=$?
        echo "code $code"; ls "$disk"''')
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert lines[1] == '20' and lines[-2:] == ['code 2', 'l'], lines
    assert 'cannot be written to' in lines[-3], lines
    return f'statistics, similar and verify answer; index: {lines[-3][:90]}'


def odd_paths(args, folder, rng):
    """Every byte that a file system allows, in names of files and of the library."""
    odd = args.work / 'odd'
    shutil.rmtree(odd, ignore_errors=True)
    odd.mkdir()
    photos = sorted(folder.glob('0*.bmp'))
    for byte in (byte for byte in range(1, 256) if byte != 0x2f):
        shutil.copy(photos[byte % len(photos)], os.fsencode(odd) + bytes([0x2f, 0x61, byte]) + b'.bmp')
    program = Program(args.lorgnette, os.fsdecode(os.fsencode(args.work) + b'/file:?\xff%20\n#.lgn'))
    program.remove()
    program.run('index', odd, '--map-side', 0)
    program.run('index', odd, '--map-side', 0)
    connection = sqlite3.connect(os.fsencode(program.library))
    paths = {path for (path,) in connection.execute('SELECT path FROM photo WHERE state = 0')}
    connection.close()
    assert paths == {os.fsencode(os.path.realpath(odd)) + b'/' + name for name in os.listdir(os.fsencode(odd))}
    listed = program.run('library', 'list').stdout
    assert listed.count(b'\n') == len(paths) and b'\x1b' not in listed, 'a line each, and no control characters'
    program.run('library', 'verify', '--files')
    return f'{len(paths)} paths with every byte but two, in a library whose own path is odd'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--lorgnette', type=pathlib.Path, required=True)
    parser.add_argument('--kills', type=int, default=100)
    parser.add_argument('--photos', type=int, default=60)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    args.work, args.lorgnette = args.work.resolve(), args.lorgnette.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    rng = random.Random(args.seed)
    folder = args.work / 'photos'
    make_photos(folder, args.photos, rng)
    failed = 0
    hardships = [killed, read_beside, full_disk, read_only, odd_paths]
    for hardship in hardships:
        started = time.time()
        try:
            verdict, what = 'ok', hardship(args, folder, rng)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            verdict, what = 'FAILED', error
            failed += 1
        print(f'{hardship.__name__:<12} {verdict:<6} {time.time() - started:5.0f} s  {what}', flush=True)
    print(f'{len(hardships) - failed} passed, {failed} failed')
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
