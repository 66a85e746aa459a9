//! The bits of one scan, and the Huffman codes among them.

/// Reads a scan's bits, most significant first, past the zero that follows every 255.
///
/// At a marker, or the end of the file, zeros follow for ever, as libjpeg has it; [`Bits::exhausted`] tells.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The low `count` bits are still to be read.
    buffer: u64,
    count: u32,
    /// How many bits, the last ones of the buffer, were made up after the end.
    made_up: u32,
}

/// A Huffman code and what follows it take at most 16 + 16 bits.
const MOST_BITS_A_CODE: u32 = 32;

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, buffer: 0, count: 0, made_up: 0 }
    }

    /// Whether bits were read that the file does not have.
    pub(super) fn exhausted(&self) -> bool {
        self.made_up > self.count
    }

    /// Where the file goes on after the scan: at a marker, or at its end.
    pub(super) fn end(&self) -> usize {
        self.at
    }

    /// Goes on after the next marker, if it is a restart; the bits before it are given up. Any other marker is the end
    /// of the scan: from there on there are no bits.
    pub(super) fn restart(&mut self) {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let marker = rest.windows(2).position(|pair| pair[0] == 0xFF && pair[1] != 0 && pair[1] != 0xFF);
        let at = self.at + marker.unwrap_or(rest.len());
        let restarts = self.bytes.get(at + 1).is_some_and(|code| (0xD0..=0xD7).contains(code));
        *self = if restarts { Self::new(self.bytes, at + 2) } else { Self::ended(self.bytes, at) };
    }

    /// A scan without any bits left.
    fn ended(bytes: &'a [u8], at: usize) -> Self {
        Self { made_up: 1, ..Self::new(bytes, at) }
    }

    /// Makes at least [`MOST_BITS_A_CODE`] bits ready.
    #[inline]
    fn fill(&mut self) {
        if self.count < MOST_BITS_A_CODE {
            self.refill();
        }
    }

    fn refill(&mut self) {
        if let Some(word) = self.bytes.get(self.at..self.at + 8)
            && !word.contains(&0xFF)
            && self.made_up == 0
        {
            let word = u64::from_be_bytes(word.try_into().expect("eight bytes"));
            let bytes = (64 - self.count) / 8;
            self.buffer = if bytes == 8 { word } else { self.buffer << (8 * bytes) | word >> (64 - 8 * bytes) };
            self.count += 8 * bytes;
            self.at += bytes as usize;
            return;
        }
        while self.count <= 56 {
            // Once ended, it stays so: the marker is not looked for again.
            let byte = if self.made_up == 0 { self.next_byte() } else { None };
            self.made_up += if byte.is_none() { 8 } else { 0 };
            self.buffer = self.buffer << 8 | u64::from(byte.unwrap_or(0));
            self.count += 8;
        }
        // What was made up and is read already needs no counting, only that there was some.
        self.made_up = self.made_up.min(1 << 20);
    }

    /// The next byte of the scan, or `None` at a marker, where it stays.
    fn next_byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte != 0xFF {
            self.at += 1;
            return Some(byte);
        }
        // Any number of 255s may fill up before a marker; before a zero they are one 255.
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
    pub(super) fn take(&mut self, n: u32) -> i32 {
        self.fill();
        self.take_ready(n)
    }

    #[inline]
    fn take_ready(&mut self, n: u32) -> i32 {
        if n == 0 {
            return 0;
        }
        self.count -= n;
        (self.buffer >> self.count & ((1 << n) - 1)) as i32
    }

    /// The next Huffman code's symbol; 0 for a code the table does not have, as libjpeg has it.
    #[inline]
    pub(super) fn symbol(&mut self, table: &Huffman) -> u8 {
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
        self.count -= 16;
        0
    }

    /// The signed value of `size` bits after a symbol (ITU-T T.81, F.2.2.1); `size` at most 16.
    ///
    /// The bits are ready: a symbol made them so.
    #[inline]
    pub(super) fn signed(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let bits = self.take_ready(size);
        if bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits }
    }
}

const LOOKUP_BITS: u32 = 9;
const LOOKUP: usize = 1 << LOOKUP_BITS;

/// A Huffman code of at most 16 bits.
#[derive(Clone)]
pub(super) struct Huffman {
    /// Length (0: longer than the lookup) and symbol of the code at the head of nine bits.
    short: Vec<(u8, u8)>,
    symbols: Vec<u8>,
    /// By code length: the first code, how many there are, and where their symbols start.
    first_code: [u32; 17],
    codes: [u32; 17],
    first_symbol: [u32; 17],
}

impl Huffman {
    /// Builds the canonical code of `counts[i]` codes of `i + 1` bits; `None` if there are too many of a length.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let (mut code, mut symbol) = (0u32, 0u32);
        let mut table = Self {
            short: vec![(0, 0); LOOKUP],
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
        Some(table)
    }

    /// Enters the codes of one length at every lookup that starts with them.
    fn enter_short(&mut self, length: usize) {
        let spread = 1 << (LOOKUP_BITS as usize - length);
        for index in 0..self.codes[length] {
            let start = (self.first_code[length] + index) as usize * spread;
            let symbol = self.symbols[(self.first_symbol[length] + index) as usize];
            self.short[start..start + spread].fill((length as u8, symbol));
        }
    }
}
