//! Decoding AMX instructions, as Intel's Software Developer's Manual, volume 2, encodes them: all
//! have a VEX prefix of three bytes, 128 bits, W0, in the opcode map 0F38.

use super::Fault;

/// An AMX instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The operation.
    pub operation: Operation,
    /// Length in bytes.
    pub length: usize,
}

/// An operation. Numbers are those of tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// LDTILECFG
    LoadConfiguration(Place),
    /// STTILECFG
    StoreConfiguration(Place),
    /// TILERELEASE
    Release,
    /// TILEZERO
    Zero(u8),
    /// TILELOADD, and TILELOADDT1, which differs in its cache hint.
    Load(u8, Place),
    /// TILESTORED
    Store(u8, Place),
    /// TDPBF16PS
    Multiply {
        /// The accumulator tile.
        sums: u8,
        /// The first factor.
        a: u8,
        /// The second factor.
        b: u8,
    },
    /// TDPBUUD, TDPBUSD, TDPBSUD and TDPBSSD
    MultiplyBytes {
        /// The accumulator tile.
        sums: u8,
        /// The first factor.
        a: u8,
        /// The second factor.
        b: u8,
        /// Whether the factors' bytes are signed.
        signed: Signed,
    },
}

/// Whether the bytes of a product's factors are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Those of the first factor.
    pub a: bool,
    /// Those of the second factor.
    pub b: bool,
}

/// An operand in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The number of the base register, or [`NEXT`].
    pub base: Option<u8>,
    /// The number of the index register, which is the stride of a tile's rows.
    pub index: Option<u8>,
    /// The logarithm of the index's scale.
    pub scale: u32,
    /// The displacement.
    pub displacement: i32,
    /// True if there is a SIB byte, which loads and stores of tiles need.
    pub has_sib: bool,
}

/// The number that stands for the address of the next instruction; general registers have smaller
/// ones.
pub const NEXT: u8 = 16;

impl Place {
    /// Returns the address of a tile's first row, without the index, which is the stride.
    pub fn first_row(&self, register: impl Fn(u8) -> i64) -> usize {
        self.base.map_or(0, register).wrapping_add(i64::from(self.displacement)) as usize
    }

    /// Returns the address of an operand that is not a tile.
    pub fn address(&self, register: impl Fn(u8) -> i64) -> usize {
        self.first_row(&register).wrapping_add_signed(self.offset(register))
    }

    /// Returns the bytes from row to row of a tile.
    ///
    /// # Errors
    /// If there is no SIB byte.
    pub fn stride(&self, register: impl Fn(u8) -> i64) -> Result<isize, Fault> {
        if self.has_sib {
            Ok(self.offset(register))
        } else {
            Err(Fault("#UD: the rows of a tile have no SIB byte"))
        }
    }

    fn offset(&self, register: impl Fn(u8) -> i64) -> isize {
        (self.index.map_or(0, register) << self.scale) as isize
    }
}

/// Decodes the instruction whose bytes `code` returns; `None` if it is not a known AMX instruction.
pub fn instruction(code: impl FnMut() -> u8) -> Option<Instruction> {
    let mut code = Code { code, length: 0 };
    let operation = code.operation()?;
    Some(Instruction { operation, length: code.length })
}

/// Decodes the instruction at an address.
///
/// # Safety
/// Caller guarantees a whole instruction there.
pub unsafe fn at(address: *const u8) -> Option<Instruction> {
    let mut next = address;
    instruction(|| {
        // SAFETY: only bytes of the instruction are read, which caller guarantees.
        let byte = unsafe { *next };
        next = next.wrapping_add(1);
        byte
    })
}

/// Bytes of an instruction.
struct Code<F> {
    code: F,
    length: usize,
}

/// The fields of a VEX prefix.
struct Prefix {
    /// High bits of the register numbers in ModRM's field `reg`, SIB's `index`, and `rm` or `base`:
    /// 0 or 8.
    reg: u8,
    index: u8,
    base: u8,
    /// The operand encoded in the prefix.
    third: u8,
    /// The legacy prefix it stands for: none, 66, F3 or F2.
    legacy: u8,
}

impl<F: FnMut() -> u8> Code<F> {
    fn byte(&mut self) -> u8 {
        self.length += 1;
        (self.code)()
    }

    fn operation(&mut self) -> Option<Operation> {
        let prefix = self.prefix()?;
        let opcode = self.byte();
        if !matches!(opcode, 0x49 | 0x4B | 0x5C | 0x5E) {
            return None;
        }
        let modrm = self.byte();
        let (mode, reg, rm) = (modrm >> 6, modrm >> 3 & 7 | prefix.reg, modrm & 7 | prefix.base);
        let place = if mode == 3 { Place::default() } else { self.place(mode, modrm & 7, &prefix) };
        Some(match (opcode, prefix.legacy, mode, reg) {
            (0x49, 0, 3, 0) if rm == 0 => Operation::Release,
            (0x49, 3, 3, tile) if rm == 0 => Operation::Zero(tile),
            (0x49, 0, 0..=2, 0) => Operation::LoadConfiguration(place),
            (0x49, 1, 0..=2, 0) => Operation::StoreConfiguration(place),
            (0x4B, 1 | 3, 0..=2, tile) => Operation::Load(tile, place),
            (0x4B, 2, 0..=2, tile) => Operation::Store(tile, place),
            (0x5C, 2, 3, sums) => Operation::Multiply { sums, a: rm, b: prefix.third },
            (0x5E, legacy, 3, sums) => Operation::MultiplyBytes {
                sums,
                a: rm,
                b: prefix.third,
                signed: Signed { a: legacy >= 2, b: legacy % 2 == 1 },
            },
            _ => return None,
        })
    }

    fn prefix(&mut self) -> Option<Prefix> {
        if self.byte() != 0xC4 {
            return None;
        }
        let [first, second] = [self.byte(), self.byte()];
        let (map, wide, long) = (first & 0x1F, second & 0x80 != 0, second & 4 != 0);
        // The bits are kept inverted.
        let extension = |bit: u8| if first & bit == 0 { 8 } else { 0 };
        (map == 2 && !wide && !long).then(|| Prefix {
            reg: extension(0x80),
            index: extension(0x40),
            base: extension(0x20),
            third: !(second >> 3) & 15,
            legacy: second & 3,
        })
    }

    /// Decodes the operand of ModRM and the bytes that follow.
    fn place(&mut self, mode: u8, rm: u8, prefix: &Prefix) -> Place {
        let mut place = Place { has_sib: rm == 4, ..Place::default() };
        let mut base = rm;
        if place.has_sib {
            let sib = self.byte();
            let index = sib >> 3 & 7 | prefix.index;
            place.scale = u32::from(sib >> 6);
            // The stack pointer is never an index.
            place.index = (index != 4).then_some(index);
            base = sib & 7;
        }
        place.base = match (mode, base) {
            (0, 5) => (!place.has_sib).then_some(NEXT),
            _ => Some(base | prefix.base),
        };
        place.displacement = match (mode, base) {
            (1, _) => i32::from(self.byte() as i8),
            (2, _) | (0, 5) => {
                i32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
            }
            _ => 0,
        };
        place
    }
}
