"""LevelDB tables, read and written anew: what TensorFlow's own writers no longer write (compressed blocks, many of them).

Only what the fixtures need: the tables that are read are sound and not compressed.
"""
import struct

MAGIC = 0xDB4775248B80FB57


def crc32c(data):
    """CRC-32C, bit by bit; the fixtures are small."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    """The checksum as tables and bundles store it."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(number):
    """A varint's bytes."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def take_varint(data, at):
    """A varint's value and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def block_entries(data, offset, size):
    """The keys and values of a block that is not compressed."""
    assert data[offset + size] == 0, 'only blocks that are not compressed are read'
    block = data[offset:offset + size]
    end = size - 4 - 4 * struct.unpack('<I', block[-4:])[0]
    at, key, entries = 0, b'', []
    while at < end:
        shared, at = take_varint(block, at)
        added, at = take_varint(block, at)
        length, at = take_varint(block, at)
        key = key[:shared] + block[at:at + added]
        entries.append((key, block[at + added:at + added + length]))
        at += added + length
    return entries


def place(data, at):
    """A block's offset and size, as the footer and the index have them."""
    offset, at = take_varint(data, at)
    size, at = take_varint(data, at)
    return offset, size, at


def read(data):
    """All keys and values of a table."""
    footer = data[-48:]
    _, _, at = place(footer, 0)
    index = place(footer, at)[:2]
    blocks = [place(value, 0)[:2] for _, value in block_entries(data, *index)]
    return [entry for block in blocks for entry in block_entries(data, *block)]


def block(entries, restart_interval):
    """A block's bytes without its trailer."""
    out, restarts, before = bytearray(), [], b''
    for number, (key, value) in enumerate(entries):
        if number % restart_interval == 0:
            restarts.append(len(out))
            before = b''
        shared = next((i for i, (a, b) in enumerate(zip(before, key)) if a != b), min(len(before), len(key)))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    restarts = restarts or [0]
    return bytes(out) + struct.pack(f'<{len(restarts) + 1}I', *restarts, len(restarts))


def write(entries, compress=None, block_size=1 << 18, restart_interval=16):
    """A table. `compress` is a snappy compressor, used for every block."""
    out = bytearray()

    def put(content):
        body = compress(content) if compress else content
        offset, kind = len(out), bytes([1 if compress else 0])
        out.extend(body + kind + struct.pack('<I', masked(body + kind)))
        return varint(offset) + varint(len(body))

    index = [(group[-1][0], put(block(group, restart_interval))) for group in groups(entries, block_size)]
    footer = put(block([], 1)) + put(block(index, 1))
    return bytes(out) + footer.ljust(40, b'\0') + struct.pack('<Q', MAGIC)


def groups(entries, block_size):
    """Entries by blocks: a block ends with the entry that reaches its size."""
    group = []
    for entry in entries:
        group.append(entry)
        if sum(len(key) + len(value) for key, value in group) >= block_size:
            yield group
            group = []
    if group:
        yield group


def snappy_literals(data):
    """Snappy without compression: runs of up to 60 bytes as they are."""
    pieces = [data[at:at + 60] for at in range(0, len(data), 60)]
    return varint(len(data)) + b''.join(bytes([(len(piece) - 1) << 2]) + piece for piece in pieces)
