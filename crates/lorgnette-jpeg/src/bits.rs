//! Reads the bits of one scan and its Huffman codes.

use crate::markers::EOI;

/// Reads a scan's bits, most significant first, and skips the zero after every 255.
///
/// After a marker or the end of the file it gives zeros, as libjpeg does;
/// [`BitReader::is_exhausted`] reports it.
#[derive(Clone, Copy)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The low `count` bits are unread.
    buffer: u64,
    count: u32,
    /// Number of padding bits, at the end of the buffer, that are not from the file.
    padding_bits: u32,
}

/// A Huffman code with the bits after it takes at most 16 + 16 bits.
const MAX_BITS_PER_CODE: u32 = 32;

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, buffer: 0, count: 0, padding_bits: 0 }
    }

    /// True if padding bits have been read.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.padding_bits > self.count
    }

    /// Offset after the scan: of a marker, or the end of the file.
    pub(crate) fn end(&self) -> usize {
        self.at
    }

    /// Continues after the restart marker of this number, 0 to 7, dropping the bits before it.
    /// Where the next marker is another one, resynchronises as libjpeg does
    /// (`jpeg_resync_to_restart`): an earlier restart is skipped; before one of the next two, or
    /// another marker, the bits are missing up to the restart after this one; any other restart is
    /// taken for the expected one.
    pub(crate) fn restart(&mut self, expected: u8) {
        let is_exhausted = self.is_exhausted();
        let mut from = self.at;
        loop {
            let at = self.next_marker(from);
            let code = self.bytes.get(at + 1).copied().unwrap_or(EOI);
            let is_restart = (0xD0..=0xD7).contains(&code);
            let ahead = code.wrapping_sub(0xD0).wrapping_sub(expected) & 7;
            if is_restart && matches!(ahead, 0 | 3..=5) {
                *self = Self::new(self.bytes, at + 2);
                return;
            }
            let is_earlier = is_restart && ahead > 5;
            if !is_earlier && code >= 0xC0 {
                // There are no bits before this marker.
                *self = Self { padding_bits: is_exhausted.into(), ..Self::new(self.bytes, at) };
                return;
            }
            from = at + 2;
        }
    }

    /// Returns the offset of the next marker, or the end of the file.
    fn next_marker(&self, from: usize) -> usize {
        let from = from.min(self.bytes.len());
        let rest = &self.bytes[from..];
        let is_marker = |pair: &[u8]| pair[0] == 0xFF && pair[1] != 0 && pair[1] != 0xFF;
        from + rest.windows(2).position(is_marker).unwrap_or(rest.len())
    }

    /// Buffers at least [`MAX_BITS_PER_CODE`] bits.
    #[inline(always)]
    fn fill(&mut self) {
        if self.count >= MAX_BITS_PER_CODE {
            return;
        }
        match self.bytes.get(self.at..self.at + 8) {
            Some(word) if self.padding_bits == 0 => {
                let word = u64::from_be_bytes(word.try_into().expect("eight bytes"));
                if has_255(word) {
                    *self = self.refilled();
                    return;
                }
                // The buffer has room for 32 to 64 bits.
                let bytes = (64 - self.count) / 8;
                self.buffer = if bytes == 8 {
                    word
                } else {
                    self.buffer << (8 * bytes) | word >> (64 - 8 * bytes)
                };
                self.count += 8 * bytes;
                self.at += bytes as usize;
            }
            _ => *self = self.refilled(),
        }
    }

    /// Refills byte by byte, skipping the zero after a 255. By value: a caller's copy can stay in
    /// registers.
    #[inline(never)]
    fn refilled(mut self) -> Self {
        while self.count <= 56 {
            // Once the scan has ended, the marker is not searched again.
            let byte = if self.padding_bits == 0 { self.next_byte() } else { None };
            self.padding_bits += if byte.is_none() { 8 } else { 0 };
            self.buffer = self.buffer << 8 | u64::from(byte.unwrap_or(0));
            self.count += 8;
        }
        // Padding bits that were read need no exact count.
        self.padding_bits = self.padding_bits.min(1 << 20);
        self
    }

    /// The next byte of the scan; `None` at a marker, which is not consumed.
    fn next_byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte != 0xFF {
            self.at += 1;
            return Some(byte);
        }
        // Any number of 255s may precede a marker; before a zero they are one 255.
        let mut next = self.at + 1;
        while self.bytes.get(next) == Some(&0xFF) {
            next += 1;
        }
        if self.bytes.get(next) != Some(&0) {
            return None;
        }
        self.at = next + 1;
        Some(0xFF)
    }

    /// The next `n` bits as a number; `n` at most 16.
    #[inline]
    pub(crate) fn read_bits(&mut self, n: u32) -> i32 {
        self.fill();
        self.read_buffered_bits(n)
    }

    #[inline]
    fn read_buffered_bits(&mut self, n: u32) -> i32 {
        if n == 0 {
            return 0;
        }
        self.count -= n;
        (self.buffer >> self.count & ((1 << n) - 1)) as i32
    }

    /// The next Huffman code's symbol; 0 for a code that is not in the table, as in libjpeg.
    #[inline]
    pub(crate) fn symbol(&mut self, table: &Huffman) -> u8 {
        self.fill();
        let next = (self.buffer >> (self.count - LOOKUP_BITS)) as usize & (LOOKUP - 1);
        let (length, symbol) = table.short[next];
        if length != 0 {
            self.count -= u32::from(length);
            return symbol;
        }
        self.long_symbol(table)
    }

    fn long_symbol(&mut self, table: &Huffman) -> u8 {
        let next = (self.buffer >> (self.count - 16) & 0xFFFF) as u32;
        for length in LOOKUP_BITS as usize + 1..=16 {
            let code = next >> (16 - length);
            let first = table.first_code[length];
            if code >= first && code - first < table.codes[length] {
                self.count -= length as u32;
                return table.symbols[(table.first_symbol[length] + code - first) as usize];
            }
        }
        // libjpeg reads a bit more before it gives up.
        self.count -= 17;
        0
    }

    /// The next AC coefficient of a sequential block, and the number of zeros before it (T.81,
    /// F.2.2.2).
    #[inline(always)]
    pub(crate) fn coefficient(&mut self, table: &Huffman) -> Coefficient {
        self.fill();
        let next = (self.buffer >> (self.count - AHEAD_BITS)) as usize & (AHEAD - 1);
        let found = table.ahead[next];
        if found.bits != 0 {
            self.count -= u32::from(found.bits);
            return found;
        }
        let symbol = self.symbol(table);
        Coefficient {
            value: self.signed(u32::from(symbol & 15)) as i16,
            zeros: symbol >> 4,
            bits: 0,
        }
    }

    /// The signed value of `size` bits after a symbol (ITU-T T.81, F.2.2.1); `size` at most 16.
    ///
    /// The bits are buffered, since a symbol was read before.
    #[inline]
    pub(crate) fn signed(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        extended(self.read_buffered_bits(size), size)
    }
}

/// The value of `size` bits, at least one (T.81, F.2.2.1, EXTEND).
#[inline]
fn extended(bits: i32, size: u32) -> i32 {
    if bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits }
}

/// Whether one of eight bytes is 255 (Mycroft's test for a zero byte, on the complement).
#[inline]
fn has_255(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    (!word).wrapping_sub(ONES) & word & (ONES << 7) != 0
}

/// A decoded AC coefficient: `value` after `zeros` zeros. With value 0, fifteen zeros mean sixteen,
/// and fewer the end of the block.
#[derive(Clone, Copy, Default)]
pub(crate) struct Coefficient {
    pub(crate) value: i16,
    pub(crate) zeros: u8,
    /// Number of bits it takes if looked up; 0 if it is longer than the lookup.
    bits: u8,
}

/// Bits of the lookup for a whole coefficient, code and value: enough for nine of ten.
const AHEAD_BITS: u32 = 10;
const AHEAD: usize = 1 << AHEAD_BITS;

const LOOKUP_BITS: u32 = 9;
const LOOKUP: usize = 1 << LOOKUP_BITS;

/// A Huffman code of at most 16 bits.
#[derive(Clone)]
pub(crate) struct Huffman {
    /// Length (0: longer than the lookup) and symbol of the code at the head of nine bits.
    short: Vec<(u8, u8)>,
    /// The AC coefficient at the head of [`AHEAD_BITS`] bits.
    ahead: Vec<Coefficient>,
    symbols: Vec<u8>,
    /// By code length: the first code, how many there are, and where their symbols start.
    first_code: [u32; 17],
    codes: [u32; 17],
    first_symbol: [u32; 17],
}

impl Huffman {
    /// Builds the canonical code with `counts[i]` codes of `i + 1` bits; `None` if there are too
    /// many of a length.
    pub(crate) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let (mut code, mut symbol) = (0u32, 0u32);
        let mut table = Self {
            short: vec![(0, 0); LOOKUP],
            ahead: Vec::new(),
            symbols: symbols.to_vec(),
            first_code: [0; 17],
            codes: [0; 17],
            first_symbol: [0; 17],
        };
        for (length, &count) in (1..).zip(counts) {
            let count = u32::from(count);
            if code + count > 1 << length {
                return None;
            }
            table.first_code[length] = code;
            table.codes[length] = count;
            table.first_symbol[length] = symbol;
            if length <= LOOKUP_BITS as usize {
                table.enter_short(length);
            }
            symbol += count;
            code = (code + count) << 1;
        }
        table.ahead = (0..AHEAD as u32).map(|next| table.look_ahead(next)).collect();
        Some(table)
    }

    /// The coefficient at the start of these bits, if they contain all of it.
    fn look_ahead(&self, next: u32) -> Coefficient {
        let (length, symbol) = self.short[(next >> (AHEAD_BITS - LOOKUP_BITS)) as usize];
        let size = u32::from(symbol & 15);
        let bits = u32::from(length) + size;
        if length == 0 || bits > AHEAD_BITS {
            return Coefficient::default();
        }
        let value = if size == 0 {
            0
        } else {
            extended((next >> (AHEAD_BITS - bits) & ((1 << size) - 1)) as i32, size)
        };
        Coefficient { value: value as i16, zeros: symbol >> 4, bits: bits as u8 }
    }

    /// Enters the codes of one length at every lookup index that starts with them.
    fn enter_short(&mut self, length: usize) {
        let spread = 1 << (LOOKUP_BITS as usize - length);
        for index in 0..self.codes[length] {
            let start = (self.first_code[length] + index) as usize * spread;
            let symbol = self.symbols[(self.first_symbol[length] + index) as usize];
            self.short[start..start + spread].fill((length as u8, symbol));
        }
    }
}
