//! A thread's tiles and the operations on them, after Intel's Software Developer's Manual, volume
//! 2.

use super::decode::Signed;

/// Maximum bytes of a row.
pub const ROW_BYTES: usize = 64;
/// Bytes of a configuration in memory.
pub const CONFIGURATION_BYTES: usize = 64;
/// Maximum rows of a tile.
const ROWS: usize = 16;
/// Tiles.
const TILES: usize = 8;
/// Float32 numbers of a row.
const LANES: usize = 16;

/// The reason why hardware would refuse an instruction, which ends a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(pub(super) &'static str);

impl Fault {
    /// In words.
    pub fn what(self) -> &'static str {
        self.0
    }
}

type Row = [u8; ROW_BYTES];

/// All tiles of a thread and their configuration.
#[derive(Debug)]
pub struct Tiles {
    palette: u8,
    rows: [u8; TILES],
    row_bytes: [u16; TILES],
    data: [[Row; ROWS]; TILES],
}

impl Default for Tiles {
    fn default() -> Self {
        Self::new()
    }
}

impl Tiles {
    /// Returns the initial state of a thread: not configured.
    pub const fn new() -> Self {
        Self {
            palette: 0,
            rows: [0; TILES],
            row_bytes: [0; TILES],
            data: [[[0; ROW_BYTES]; ROWS]; TILES],
        }
    }

    /// LDTILECFG
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn configure(&mut self, bytes: &[u8; CONFIGURATION_BYTES]) -> Result<(), Fault> {
        if bytes[0] == 0 {
            self.release();
            return Ok(());
        }
        refuse(bytes[0] != 1, "#GP: a palette that is not known")?;
        // The state of an interrupted load is internal to the hardware.
        refuse(bytes[1] != 0, "a configuration that begins with another row than the first")?;
        let reserved = [2..16, 32..48, 56..64];
        refuse(
            reserved.into_iter().flatten().any(|at| bytes[at] != 0),
            "#GP: a reserved byte that is not zero",
        )?;
        let mut configured = Self { palette: 1, ..Self::new() };
        for tile in 0..TILES {
            let (row_bytes, rows) = (
                u16::from_le_bytes([bytes[16 + 2 * tile], bytes[17 + 2 * tile]]),
                bytes[48 + tile],
            );
            refuse(usize::from(row_bytes) > ROW_BYTES, "#GP: rows that are too long")?;
            refuse(usize::from(rows) > ROWS, "#GP: too many rows")?;
            refuse(
                (rows == 0) != (row_bytes == 0),
                "#GP: rows without bytes, or bytes without rows",
            )?;
            (configured.rows[tile], configured.row_bytes[tile]) = (rows, row_bytes);
        }
        *self = configured;
        Ok(())
    }

    /// STTILECFG
    pub fn configuration(&self) -> [u8; CONFIGURATION_BYTES] {
        let mut bytes = [0; CONFIGURATION_BYTES];
        bytes[0] = self.palette;
        for tile in 0..TILES {
            bytes[16 + 2 * tile..][..2].copy_from_slice(&self.row_bytes[tile].to_le_bytes());
            bytes[48 + tile] = self.rows[tile];
        }
        bytes
    }

    /// TILERELEASE
    pub fn release(&mut self) {
        *self = Self::new();
    }

    /// TILEZERO
    ///
    /// # Errors
    /// If there is no such tile.
    pub fn zero(&mut self, tile: u8) -> Result<(), Fault> {
        self.shape(tile)?;
        self.data[usize::from(tile)] = [[0; ROW_BYTES]; ROWS];
        Ok(())
    }

    /// TILELOADD
    ///
    /// # Errors
    /// If there is no such tile.
    ///
    /// # Safety
    /// Caller guarantees that the tile's rows can be read from `first` on, `stride` bytes apart.
    pub unsafe fn load(&mut self, tile: u8, first: *const u8, stride: isize) -> Result<(), Fault> {
        let (rows, row_bytes) = self.shape(tile)?;
        let data = &mut self.data[usize::from(tile)];
        *data = [[0; ROW_BYTES]; ROWS];
        for (number, row) in data.iter_mut().enumerate().take(rows) {
            let from = first.wrapping_offset(stride.wrapping_mul(number as isize));
            // SAFETY: caller guarantees the row; the destination is no shorter.
            unsafe { from.copy_to_nonoverlapping(row.as_mut_ptr(), row_bytes) };
        }
        Ok(())
    }

    /// TILESTORED
    ///
    /// # Errors
    /// If there is no such tile.
    ///
    /// # Safety
    /// Caller guarantees that the tile's rows can be written from `first` on, `stride` bytes apart.
    pub unsafe fn store(&self, tile: u8, first: *mut u8, stride: isize) -> Result<(), Fault> {
        let (rows, row_bytes) = self.shape(tile)?;
        for (number, row) in self.data[usize::from(tile)].iter().enumerate().take(rows) {
            let to = first.wrapping_offset(stride.wrapping_mul(number as isize));
            // SAFETY: caller guarantees the row; the source is no shorter.
            unsafe { to.copy_from_nonoverlapping(row.as_ptr(), row_bytes) };
        }
        Ok(())
    }

    /// TDPBF16PS
    ///
    /// # Errors
    /// If one of the tiles does not exist, two are the same, or their shapes do not match.
    pub fn multiply(&mut self, sums: u8, a: u8, b: u8) -> Result<(), Fault> {
        let found = self.product(sums, a, b)?.add_to(&self.data[usize::from(sums)]);
        self.data[usize::from(sums)] = found;
        Ok(())
    }

    /// TDPBUUD, TDPBUSD, TDPBSUD, TDPBSSD
    ///
    /// # Errors
    /// As of [`Tiles::multiply`].
    pub fn multiply_bytes(&mut self, sums: u8, a: u8, b: u8, signed: Signed) -> Result<(), Fault> {
        let found = self.product(sums, a, b)?.add_bytes(&self.data[usize::from(sums)], signed);
        self.data[usize::from(sums)] = found;
        Ok(())
    }

    /// Returns a product's factors.
    fn product(&self, sums: u8, a: u8, b: u8) -> Result<Product<'_>, Fault> {
        refuse(
            sums == a || sums == b || a == b,
            "#UD: two operands of a product are the same tile",
        )?;
        let [(rows, row_bytes), (a_rows, a_bytes), (b_rows, b_bytes)] =
            [self.shape(sums)?, self.shape(a)?, self.shape(b)?];
        refuse(a_rows != rows, "#UD: a product's first factor has other rows than the sums")?;
        refuse(
            b_bytes != row_bytes,
            "#UD: a product's second factor has other columns than the sums",
        )?;
        refuse(a_bytes / 4 != b_rows, "#UD: a product's factors do not fit one another")?;
        Ok(Product {
            a: &self.data[usize::from(a)],
            b: &self.data[usize::from(b)],
            rows,
            groups: b_rows,
            columns: row_bytes / 4,
        })
    }

    /// Returns a tile's rows and the bytes of each.
    fn shape(&self, tile: u8) -> Result<(usize, usize), Fault> {
        refuse(self.palette == 0, "#UD: tiles are not configured")?;
        refuse(usize::from(tile) >= TILES, "#UD: there is no such tile")?;
        let (rows, row_bytes) = (self.rows[usize::from(tile)], self.row_bytes[usize::from(tile)]);
        refuse(rows == 0 || row_bytes == 0, "#UD: this tile is not configured")?;
        refuse(row_bytes % 4 != 0, "#UD: a tile's rows are not of whole floats")?;
        Ok((usize::from(rows), usize::from(row_bytes)))
    }
}

fn refuse(wrong: bool, what: &'static str) -> Result<(), Fault> {
    if wrong { Err(Fault(what)) } else { Ok(()) }
}

/// The factors of a product of two tiles.
struct Product<'a> {
    a: &'a [Row; ROWS],
    b: &'a [Row; ROWS],
    rows: usize,
    /// Pairs of bf16, or fours of bytes, of a row.
    groups: usize,
    columns: usize,
}

impl Product<'_> {
    /// Adds the products of bytes, whose sums wrap.
    fn add_bytes(&self, sums: &[Row; ROWS], signed: Signed) -> [Row; ROWS] {
        let mut found = [[0; ROW_BYTES]; ROWS];
        for m in 0..self.rows {
            for n in 0..self.columns {
                let mut sum = i32::from_le_bytes(four(&sums[m], n));
                for k in 0..self.groups {
                    for (a, b) in four(&self.a[m], k).into_iter().zip(four(&self.b[k], n)) {
                        let product = widened(a, signed.a) * widened(b, signed.b);
                        sum = sum.wrapping_add(product);
                    }
                }
                found[m][4 * n..][..4].copy_from_slice(&sum.to_le_bytes());
            }
        }
        found
    }

    /// Each sum has two accumulators: one for the products of pairs' first elements and one for
    /// those of their second elements, each product added without rounding before. Subnormal
    /// numbers are zero, read and written.
    fn add_to(&self, sums: &[Row; ROWS]) -> [Row; ROWS] {
        /// Uses fused multiply-adds.
        #[target_feature(enable = "avx512f")]
        fn wide(product: &Product<'_>, sums: &[Row; ROWS]) -> [Row; ROWS] {
            product.sums(sums)
        }
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has the feature.
            unsafe { wide(self, sums) }
        } else {
            self.sums(sums)
        }
    }

    #[inline(always)]
    fn sums(&self, sums: &[Row; ROWS]) -> [Row; ROWS] {
        let mut found = [[0; ROW_BYTES]; ROWS];
        let b: [[[f32; LANES]; 2]; ROWS] = self.b.map(|row| halves(&row));
        for m in 0..self.rows {
            let (a, before) = (halves(&self.a[m]), floats(&sums[m]));
            let mut parts = [[0.0_f32; LANES]; 2];
            for k in 0..self.groups {
                for half in 0..2 {
                    for n in 0..LANES {
                        parts[half][n] = normal(a[half][k].mul_add(b[k][half][n], parts[half][n]));
                    }
                }
            }
            for n in 0..self.columns {
                let sum = normal(normal(before[n]) + normal(parts[0][n] + parts[1][n]));
                found[m][4 * n..][..4].copy_from_slice(&sum.to_le_bytes());
            }
        }
        found
    }
}

/// Returns a row's four bytes of a number.
#[inline(always)]
fn four(row: &Row, number: usize) -> [u8; 4] {
    [row[4 * number], row[4 * number + 1], row[4 * number + 2], row[4 * number + 3]]
}

#[inline(always)]
fn widened(byte: u8, is_signed: bool) -> i32 {
    if is_signed { i32::from(byte.cast_signed()) } else { i32::from(byte) }
}

/// Returns the first and the second elements of a row's pairs.
#[inline(always)]
fn halves(row: &Row) -> [[f32; LANES]; 2] {
    let bits = floats(row).map(f32::to_bits);
    [
        bits.map(|pair| normal(f32::from_bits(pair << 16))),
        bits.map(|pair| normal(f32::from_bits(pair & 0xFFFF_0000))),
    ]
}

#[inline(always)]
fn floats(row: &Row) -> [f32; LANES] {
    std::array::from_fn(|n| {
        f32::from_le_bytes([row[4 * n], row[4 * n + 1], row[4 * n + 2], row[4 * n + 3]])
    })
}

/// Returns a number, or a zero of its sign if it is subnormal.
#[inline(always)]
fn normal(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0_f32.copysign(x) } else { x }
}
