"""Packs the folder that operations.py made into the one file the Rust tests read, the same bytes every time.

    python pack_fixture.py FOLDER ../crates/lorgnette-net/tests/operations.tar.gz
"""
import gzip
import io
import os
import sys
import tarfile


def main(folder, out):
    """Writes the folder's files in sorted order, without dates or owners."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode='w', format=tarfile.USTAR_FORMAT) as archive:
        paths = sorted(os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)
        for path in paths:
            entry = tarfile.TarInfo(os.path.relpath(path, folder))
            with open(path, 'rb') as file:
                content = file.read()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with open(out, 'wb') as file, gzip.GzipFile('', 'wb', mtime=0, compresslevel=9, fileobj=file) as compressed:
        compressed.write(packed.getvalue())


if __name__ == '__main__':
    main(*sys.argv[1:3])
