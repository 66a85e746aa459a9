//! The emulator of AMX itself: instructions as the assembler encodes them, products computed by
//! hand, and all that hardware refuses.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::arch::{asm, global_asm};

use lorgnette_oracle::amx::decode::{self, NEXT, Operation, Place, Signed};
use lorgnette_oracle::amx::{CONFIGURATION_BYTES, ROW_BYTES, Tiles, emulate};

/// A configuration of tiles with so many rows and bytes in each.
fn configuration(shapes: &[(u8, u16)]) -> [u8; CONFIGURATION_BYTES] {
    let mut bytes = [0; CONFIGURATION_BYTES];
    bytes[0] = 1;
    for (tile, (rows, row_bytes)) in shapes.iter().enumerate() {
        bytes[16 + 2 * tile..][..2].copy_from_slice(&row_bytes.to_le_bytes());
        bytes[48 + tile] = *rows;
    }
    bytes
}

/// Two numbers that bf16 has as they are, as one float.
fn pair(first: f32, second: f32) -> f32 {
    assert!(first.to_bits() & 0xFFFF == 0 && second.to_bits() & 0xFFFF == 0, "not bf16");
    f32::from_bits(first.to_bits() >> 16 | second.to_bits())
}

global_asm!(
    ".globl lorgnette_amx_examples",
    "lorgnette_amx_examples:",
    "ldtilecfg [rdi]",
    "ldtilecfg [r12 + 2*rax - 8]",
    "ldtilecfg [rip + 16]",
    "sttilecfg [rsp + 256]",
    "tilerelease",
    "tilezero tmm0",
    "tilezero tmm7",
    "tileloadd tmm1, [rcx + rdx]",
    "tileloadd tmm5, [r13 + 4*r10 + 0x1234]",
    "tileloaddt1 tmm2, [rbp + 8*r15 - 4]",
    "tilestored [r8 + 2*rbx + 64], tmm6",
    "tdpbf16ps tmm3, tmm5, tmm7",
    "tdpbuud tmm0, tmm1, tmm2",
    "tdpbusd tmm3, tmm4, tmm6",
    "tdpbsud tmm7, tmm0, tmm5",
    "tdpbssd tmm6, tmm2, tmm1",
    "ret",
);

unsafe extern "C" {
    static lorgnette_amx_examples: u8;
}

/// The numbers of registers.
const RAX: u8 = 0;
const RCX: u8 = 1;
const RDX: u8 = 2;
const RBX: u8 = 3;
const RSP: u8 = 4;
const RBP: u8 = 5;
const RDI: u8 = 7;

fn at(base: u8, index: Option<(u8, u32)>, displacement: i32) -> Place {
    let (index, scale) = index.map_or((None, 0), |(index, scale)| (Some(index), scale));
    // Addresses from the stack pointer and R12 need a SIB byte too.
    let has_sib = index.is_some() || base & 7 == RSP;
    Place { base: Some(base), index, scale, displacement, has_sib: has_sib && base != NEXT }
}

#[test]
fn instructions_are_what_the_assembler_says() {
    let expected = [
        Operation::LoadConfiguration(at(RDI, None, 0)),
        Operation::LoadConfiguration(at(12, Some((RAX, 1)), -8)),
        Operation::LoadConfiguration(at(NEXT, None, 16)),
        Operation::StoreConfiguration(at(RSP, None, 256)),
        Operation::Release,
        Operation::Zero(0),
        Operation::Zero(7),
        Operation::Load(1, at(RCX, Some((RDX, 0)), 0)),
        Operation::Load(5, at(13, Some((10, 2)), 0x1234)),
        Operation::Load(2, at(RBP, Some((15, 3)), -4)),
        Operation::Store(6, at(8, Some((RBX, 1)), 64)),
        Operation::Multiply { sums: 3, a: 5, b: 7 },
        Operation::MultiplyBytes { sums: 0, a: 1, b: 2, signed: Signed { a: false, b: false } },
        Operation::MultiplyBytes { sums: 3, a: 4, b: 6, signed: Signed { a: false, b: true } },
        Operation::MultiplyBytes { sums: 7, a: 0, b: 5, signed: Signed { a: true, b: false } },
        Operation::MultiplyBytes { sums: 6, a: 2, b: 1, signed: Signed { a: true, b: true } },
    ];
    let mut next = &raw const lorgnette_amx_examples;
    for operation in expected {
        // SAFETY: the examples end with an instruction that is none of AMX, before which the loop
        // ends.
        let found =
            unsafe { decode::at(next) }.unwrap_or_else(|| panic!("not known: {operation:?}"));
        assert_eq!(found.operation, operation);
        next = next.wrapping_add(found.length);
    }
    // SAFETY: a return lies there.
    assert_eq!((unsafe { decode::at(next) }, unsafe { *next }), (None, 0xC3));
}

#[test]
fn addresses_are_those_of_the_registers() {
    let register = |number: u8| 1000 * i64::from(number);
    let place = at(RCX, Some((RDX, 2)), -8);
    assert_eq!((place.first_row(register), place.stride(register)), (992, Ok(8000)));
    assert_eq!(place.address(register), 8992);
    assert_eq!(at(NEXT, None, 16).address(register), 16016);
    assert!(at(RDI, None, 0).stride(register).unwrap_err().what().contains("SIB"));
}

/// Tiles 0, 1 and 2 as sums, first and second factor, and the sums after a product.
fn product<const M: usize, const K: usize, const N: usize>(
    sums: [[f32; N]; M],
    a: [[f32; K]; M],
    b: [[f32; N]; K],
) -> [[f32; N]; M] {
    let bytes = |floats: usize| 4 * floats as u16;
    let mut tiles = Tiles::new();
    tiles
        .configure(&configuration(&[(M as u8, bytes(N)), (M as u8, bytes(K)), (K as u8, bytes(N))]))
        .unwrap();
    let mut found = [[0.0; N]; M];
    // SAFETY: the arrays have the rows that the tiles have.
    unsafe {
        tiles.load(0, sums.as_ptr().cast(), 4 * N as isize).unwrap();
        tiles.load(1, a.as_ptr().cast(), 4 * K as isize).unwrap();
        tiles.load(2, b.as_ptr().cast(), 4 * N as isize).unwrap();
        tiles.multiply(0, 1, 2).unwrap();
        tiles.store(0, found.as_mut_ptr().cast(), 4 * N as isize).unwrap();
    }
    found
}

#[test]
fn products_are_those_computed_by_hand() {
    let a = [
        [pair(1.0, 2.0), pair(3.0, 4.0)],
        [pair(-1.0, 0.5), pair(0.0, 8.0)],
        [pair(0.0, 0.0), pair(1.0, -1.0)],
    ];
    let b = [[pair(5.0, 6.0), pair(1.0, 1.0)], [pair(7.0, 8.0), pair(-2.0, 3.0)]];
    let found = product([[0.0, 100.0], [0.25, 0.0], [-1.0, 1.0]], a, b);
    // 1·5 + 2·6 + 3·7 + 4·8; 100 + 1·1 + 2·1 − 3·2 + 4·3; and so on.
    assert_eq!(found, [[70.0, 109.0], [62.25, 23.5], [-2.0, -4.0]]);
}

#[test]
fn products_of_bytes_are_those_computed_by_hand() {
    // One row of two fours, by two fours of rows of two columns.
    let a: [[u8; 8]; 1] = [[1, 2, 3, 255, 0, 128, 0, 1]];
    let b: [[u8; 8]; 2] = [[1, 1, 1, 1, 255, 0, 0, 255], [0, 2, 0, 0, 7, 128, 7, 10]];
    let found = |signed: Signed| {
        let mut tiles = Tiles::new();
        tiles.configure(&configuration(&[(1, 8), (1, 8), (2, 8)])).unwrap();
        let mut sums = [1000_i32, i32::MAX];
        // SAFETY: the arrays have the rows that the tiles have.
        unsafe {
            tiles.load(0, sums.as_ptr().cast(), 8).unwrap();
            tiles.load(1, a.as_ptr().cast(), 8).unwrap();
            tiles.load(2, b.as_ptr().cast(), 8).unwrap();
            tiles.multiply_bytes(0, 1, 2, signed).unwrap();
            tiles.store(0, sums.as_mut_ptr().cast(), 8).unwrap();
        }
        sums
    };
    let beyond = |more: i32| i32::MAX.wrapping_add(more);
    // 1 + 2 + 3 + 255 + 128·2; 255 + 255·255 + 128·128 + 10, where bytes are unsigned.
    assert_eq!(found(Signed { a: false, b: false }), [1000 + 517, beyond(81_674)]);
    // −1 − 255 − 128·128 + 10
    assert_eq!(found(Signed { a: false, b: true }), [1000 + 517, beyond(-16_630)]);
    // 1 + 2 + 3 − 1 − 128·2; 255 − 255 − 128·128 + 10
    assert_eq!(found(Signed { a: true, b: false }), [1000 - 251, beyond(-16_374)]);
    // −1 + 1 + 128·128 + 10
    assert_eq!(found(Signed { a: true, b: true }), [1000 - 251, beyond(16_394)]);
}

#[test]
fn first_and_second_halves_have_sums_of_their_own() {
    // Beside 2^24, one is lost; so 1 + 1 must come to it as 2, or 2^24 from the other half.
    let large = 16_777_216.0;
    let ones = [[pair(1.0, 1.0)], [pair(1.0, 1.0)]];
    let [[found]] = product([[0.0]], [[pair(1.0, large), pair(1.0, 0.0)]], ones);
    assert_eq!(found, large + 2.0);
    let [[found]] = product([[0.0]], [[pair(large, 1.0), pair(1.0, 0.0)]], ones);
    assert_eq!(found, large);
    // A product is not rounded before it is added: (1 + 2^-7)² − (1 + 2^-6) is 2^-14.
    let near = 1.0078125;
    let [[found]] = product(
        [[0.0]],
        [[pair(-1.0, 0.0), pair(near, 0.0)]],
        [[pair(1.015625, 0.0)], [pair(near, 0.0)]],
    );
    assert_eq!(found, f32::from_bits((127 - 14) << 23));
}

#[test]
fn numbers_too_small_for_normal_ones_are_zero() {
    let (least, tiny) = (f32::MIN_POSITIVE, f32::from_bits(1 << 16));
    let two_powers = |power: i32| 2.0_f32.powi(power);
    let product_of = |a: f32, b: f32| product([[0.0]], [[pair(a, 0.0)]], [[pair(b, 0.0)]])[0][0];
    assert_eq!(product_of(tiny, two_powers(100)), 0.0);
    assert_eq!(product_of(least, 1.0), least);
    assert_eq!((product_of(least, 0.5), product_of(-least, 0.5)), (0.0, 0.0));
    assert_eq!(product([[f32::from_bits(1)]], [[0.0]], [[0.0]])[0][0], 0.0);
    assert!(product_of(f32::INFINITY, 0.0).is_nan() && product_of(f32::INFINITY, tiny).is_nan());
    assert_eq!(product_of(f32::INFINITY, -2.0), f32::NEG_INFINITY);
}

#[test]
fn what_hardware_refuses_is_refused() {
    let refused =
        |bytes: &[u8; CONFIGURATION_BYTES]| Tiles::new().configure(bytes).unwrap_err().what();
    let whole = (16, 64);
    let changed = |at: usize, byte: u8| {
        let mut bytes = configuration(&[whole]);
        bytes[at] = byte;
        bytes
    };
    assert!(refused(&changed(0, 2)).contains("palette"));
    assert!(
        [2, 15, 32, 47, 56, 63].into_iter().all(|at| refused(&changed(at, 1)).contains("reserved"))
    );
    assert!(refused(&configuration(&[(17, 64)])).contains("too many rows"));
    assert!(refused(&configuration(&[(16, 68)])).contains("too long"));
    assert!(refused(&configuration(&[(0, 64)])).contains("without"));
    assert!(refused(&configuration(&[(16, 0)])).contains("without"));

    let with = |shapes: &[(u8, u16)]| {
        let mut tiles = Tiles::new();
        tiles.configure(&configuration(shapes)).unwrap();
        tiles
    };
    assert!(Tiles::new().zero(0).unwrap_err().what().contains("not configured"));
    assert!(with(&[whole]).zero(1).unwrap_err().what().contains("this tile"));
    assert!(with(&[whole]).zero(8).unwrap_err().what().contains("no such tile"));
    assert!(with(&[(16, 62)]).zero(0).unwrap_err().what().contains("whole floats"));
    let product = |shapes: [(u8, u16); 3]| with(&shapes).multiply(0, 1, 2);
    assert_eq!(product([(3, 8), (3, 16), (4, 8)]), Ok(()));
    assert!(product([(3, 8), (2, 16), (4, 8)]).unwrap_err().what().contains("other rows"));
    assert!(product([(3, 8), (3, 16), (4, 12)]).unwrap_err().what().contains("other columns"));
    assert!(product([(3, 8), (3, 16), (3, 8)]).unwrap_err().what().contains("do not fit"));
    let mut tiles = with(&[whole; 3]);
    assert!(
        [(0, 0, 1), (0, 1, 0), (0, 1, 1)]
            .into_iter()
            .all(|(c, a, b)| tiles.multiply(c, a, b).is_err())
    );
    assert_eq!(tiles.multiply(0, 1, 2), Ok(()));
    tiles.release();
    assert!(tiles.multiply(0, 1, 2).is_err());
}

/// Real instructions, on all registers of tiles: rows that are longer than the tile's stay as they
/// are.
#[test]
fn instructions_work_in_a_program() {
    emulate();
    const ROWS: usize = 5;
    let shape = (ROWS as u8, 12);
    let before = configuration(&[
        (ROWS as u8, 12),
        (ROWS as u8, 8),
        (2, 12),
        shape,
        shape,
        shape,
        shape,
        shape,
    ]);
    let mut after = [0; CONFIGURATION_BYTES];
    let mut sums = [[0.5_f32; ROW_BYTES / 4]; ROWS];
    let a: [[f32; 2]; ROWS] = std::array::from_fn(|row| [pair(row as f32, 1.0), pair(0.0, -2.0)]);
    let b: [[f32; 3]; 2] =
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].map(|row| row.map(|x| pair(x, 2.0 * x)));
    // SAFETY: the memory is as long as the tiles that are read from it and written to it.
    unsafe {
        asm!(
            "ldtilecfg [{before}]",
            "sttilecfg [{after}]",
            "tileloadd tmm0, [{sums} + {line}]",
            "tileloadd tmm1, [{a} + 8*{one}]",
            "tileloaddt1 tmm2, [{b} + 4*{three}]",
            "tdpbf16ps tmm0, tmm1, tmm2",
            "tilestored [{sums} + {line}], tmm0",
            "tilezero tmm7",
            "tilerelease",
            before = in(reg) &raw const before,
            after = in(reg) &raw mut after,
            sums = in(reg) &raw mut sums,
            a = in(reg) &raw const a,
            b = in(reg) &raw const b,
            line = in(reg) ROW_BYTES,
            one = in(reg) 1_usize,
            three = in(reg) 3_usize,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
    assert_eq!(after, before);
    for (row, sums) in sums.iter().enumerate() {
        let row = row as f32;
        // (row, 1) · (x, 2x) + (0, −2) · (y, 2y)
        let expected = [1.0, 2.0, 3.0].map(|x| 0.5 + (row + 2.0) * x - 4.0 * (x + 3.0));
        assert_eq!(sums[..3], expected);
        assert!(sums[3..].iter().all(|&untouched| untouched == 0.5));
    }
}

/// A process of its own, because what is refused ends it.
#[test]
fn a_program_that_forgets_to_configure_tiles_is_ended() {
    use std::os::unix::process::ExitStatusExt;
    let program = std::env::current_exe().unwrap();
    let arguments = ["--ignored", "--exact", "uses_tiles_that_are_not_configured"];
    let ended = std::process::Command::new(program).args(arguments).output().unwrap();
    let signal = ended.status.signal().expect("it is ended by a signal");
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        signal == 4 || stderr.contains("tiles are not configured"),
        "signal {signal}: {stderr}"
    );
}

#[test]
#[ignore = "ends the process; the test above runs it"]
fn uses_tiles_that_are_not_configured() {
    emulate();
    // SAFETY: no memory is used; where the instruction is refused, the process ends.
    unsafe { asm!("tilezero tmm0", out("tmm0") _, options(nomem, nostack)) };
}
