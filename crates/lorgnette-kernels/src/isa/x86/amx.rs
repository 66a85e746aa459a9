//! Detection of AMX.
//!
//! The CPU must have it, and the system must save its tiles. On Linux, a process must also ask for
//! permission, because 8 KiB of tiles enlarge every signal frame. Last, a small product is compared
//! with scalar arithmetic, since emulated or virtualised instructions may be wrong even if the CPU
//! flag is set.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::numerics::{bf16_to_f32, f32_to_bf16};
use crate::simd::{
    BLOCK_COLUMNS, BLOCK_ROWS, ByteFactors, ByteSums, Factors, Sums, TILE_BYTES, TILE_DEPTH,
    TILE_FLOATS, Tiles,
};

/// True if the instructions are assumed to be present, whatever the CPU reports.
static ASSUMED: AtomicBool = AtomicBool::new(false);

/// Assumes that AMX is present. For tests that emulate its instructions in software; without the
/// emulator, the first of them ends the program.
#[doc(hidden)]
pub fn assume_amx() {
    // SAFETY: an instruction that does not exist ends the process, as documented.
    let is_right = unsafe { is_right() && bytes_are_right() };
    assert!(is_right, "AMX, as it is emulated, computes something else");
    ASSUMED.store(true, Ordering::Relaxed);
}

/// True if this process can use AMX; an error if the CPU has it but the process cannot use it. Asks
/// the system once.
pub(in crate::isa) fn is_usable() -> Result<bool, &'static str> {
    static FOUND: OnceLock<Result<bool, &'static str>> = OnceLock::new();
    if ASSUMED.load(Ordering::Relaxed) { Ok(true) } else { *FOUND.get_or_init(find) }
}

/// True if this process can multiply tiles of bytes. Asks the CPU once.
pub(crate) fn multiplies_bytes() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    ASSUMED.load(Ordering::Relaxed)
        || *FOUND.get_or_init(|| {
            // SAFETY: the CPU has the instructions, and this process may use them.
            is_usable() == Ok(true) && has_products_of_bytes() && unsafe { bytes_are_right() }
        })
}

fn find() -> Result<bool, &'static str> {
    if !has_instructions() {
        Ok(false)
    } else if !is_saved() {
        Err("the operating system does not save its tiles")
    } else if !permitted::ask() {
        Err("the operating system does not permit its use")
    // SAFETY: the CPU has the instructions, and this process may use them.
    } else if !unsafe { is_right() } {
        Err("a product that it computed for trial was wrong")
    } else {
        Ok(true)
    }
}

/// True if CPUID reports AMX-TILE and AMX-BF16, and tiles of the required size (leaf 1D, palette
/// 1).
fn has_instructions() -> bool {
    use std::arch::x86_64::__cpuid_count as cpuid;
    const FEATURES: u32 = 1 << 24 | 1 << 22;
    // SAFETY: every x86-64 CPU has CPUID.
    #[allow(unused_unsafe, reason = "newer compilers know that it is safe")]
    unsafe {
        if cpuid(0, 0).eax < 0x1D || cpuid(7, 0).edx & FEATURES != FEATURES {
            return false;
        }
        let palette = cpuid(0x1D, 1);
        let (row_bytes, tiles, rows) =
            (palette.ebx & 0xFFFF, palette.ebx >> 16, palette.ecx & 0xFFFF);
        row_bytes >= 64 && tiles >= 8 && rows >= 16
    }
}

/// True if CPUID reports AMX-INT8.
fn has_products_of_bytes() -> bool {
    // SAFETY: every x86-64 CPU has CPUID, and one with tiles has this leaf.
    #[allow(unused_unsafe, reason = "newer compilers know that it is safe")]
    unsafe {
        std::arch::x86_64::__cpuid_count(7, 0).edx & 1 << 25 != 0
    }
}

/// True if the system saves the states of tiles and of their configuration (XCR0).
fn is_saved() -> bool {
    #[target_feature(enable = "xsave")]
    fn states() -> u64 {
        // SAFETY: the function has the feature; register 0 exists with it.
        unsafe { std::arch::x86_64::_xgetbv(0) }
    }
    const TILE_STATES: u64 = 1 << 17 | 1 << 18;
    // SAFETY: the CPU has the feature, as checked first.
    is_x86_feature_detected!("xsave") && unsafe { states() } & TILE_STATES == TILE_STATES
}

#[cfg(target_os = "linux")]
mod permitted {
    /// Asks for permission to use tiles: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA),
    /// since Linux 5.16. It holds for all threads, including those that already run.
    pub(super) fn ask() -> bool {
        const ARCH_PRCTL: isize = 158;
        const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
        const TILE_DATA: usize = 18;
        let answer: isize;
        // SAFETY: the call accesses no memory of this process. A system call changes RCX and R11 in
        // addition to its result.
        unsafe {
            std::arch::asm!(
                "syscall",
                inout("rax") ARCH_PRCTL => answer,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") TILE_DATA,
                out("rcx") _,
                out("r11") _,
                options(nostack),
            );
        }
        answer == 0
    }
}

#[cfg(not(target_os = "linux"))]
mod permitted {
    /// Other systems are not supported yet.
    pub(super) fn ask() -> bool {
        false
    }
}

/// True if products of small integers, whose sums are exact, are correct.
///
/// # Safety
/// Caller guarantees that AMX instructions can be executed.
unsafe fn is_right() -> bool {
    let trial = Trial::new();
    // Three steps of one term, or one step of two or three terms, from the same memory.
    let [mut rounded, mut bf16x2, mut bf16x3] = [[0.0; BLOCK_ROWS * BLOCK_COLUMNS]; 3];
    let factors = |steps| Factors {
        pixels: trial.pixels.as_ptr().cast(),
        pixel_bytes: size_of_val(&trial.pixels[0]),
        taps: &[0],
        steps,
        weights: trial.weights.as_ptr(),
        ahead: trial.weights.as_ptr(),
    };
    // SAFETY: caller guarantees the instructions; pixels and weights are three tiles deep.
    unsafe {
        let tiles = Tiles::configure_unchecked();
        factors(3).multiply(&tiles, &mut rounded);
        factors(1).multiply_bf16x2(&tiles, &mut bf16x2);
        factors(1).multiply_bf16x3(&tiles, &mut bf16x3);
    }
    rounded == trial.sums(&[[0, 0], [1, 1], [2, 2]])
        && bf16x2 == trial.sums(&[[1, 0], [0, 0], [0, 1]])
        && bf16x3 == trial.sums(&[[2, 0], [1, 0], [1, 1], [0, 1], [0, 2], [0, 0]])
}

/// True if products of bytes are correct.
///
/// # Safety
/// Caller guarantees that AMX instructions can be executed.
unsafe fn bytes_are_right() -> bool {
    const STEPS: usize = 2;
    const DEPTH: usize = STEPS * TILE_BYTES;
    let byte = |i: usize| (i * 89 + i / 7 * 31 + 5) as u8;
    let pixels: Vec<u8> = (0..BLOCK_ROWS * DEPTH).map(byte).collect();
    let weights: Vec<i8> = (3..3 + DEPTH * BLOCK_COLUMNS).map(|i| byte(i).cast_signed()).collect();
    let constants: [i32; BLOCK_COLUMNS] = std::array::from_fn(|i| i as i32 * 1000 - 15_000);
    let mut sums: ByteSums = [[0; BLOCK_COLUMNS]; BLOCK_ROWS];
    let factors = ByteFactors {
        pixels: pixels.as_ptr(),
        pixel_bytes: DEPTH,
        steps: STEPS,
        weights: weights.as_ptr(),
        constants: constants.as_ptr(),
    };
    // SAFETY: caller guarantees the instructions; pixels and weights are two tiles deep.
    unsafe { factors.multiply(&Tiles::configure_unchecked(), &mut sums) };
    let wanted = |pixel: usize, channel: usize| -> i32 {
        let product = |k: usize| {
            let weight = weights[(k / 4 * BLOCK_COLUMNS + channel) * 4 + k % 4];
            i32::from(pixels[pixel * DEPTH + k]) * i32::from(weight)
        };
        constants[channel] + (0..DEPTH).map(product).sum::<i32>()
    };
    (0..BLOCK_ROWS).all(|pixel| {
        (0..BLOCK_COLUMNS).all(|channel| sums[pixel][channel] == wanted(pixel, channel))
    })
}

/// Test data: pixels of three input tiles, and their weights.
struct Trial {
    /// `[pixel][pair of channels]`
    pixels: Vec<[f32; TERMS * TILE_DEPTH / 2]>,
    /// `[input tile][tile of output channels][pair of channels][output channel]`
    weights: Vec<f32>,
}

/// Input tiles of the test data.
const TERMS: usize = 3;

impl Trial {
    fn new() -> Self {
        let mut seed = 1_u32;
        let mut pair = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = |bits: u32| u32::from(f32_to_bf16((bits & 15) as f32 - 8.0));
            f32::from_bits(number(seed >> 28) | number(seed >> 24) << 16)
        };
        let pixels = (0..BLOCK_ROWS).map(|_| std::array::from_fn(|_| pair())).collect();
        Self { pixels, weights: (0..TERMS * 2 * TILE_FLOATS).map(|_| pair()).collect() }
    }

    /// Returns the sums of products of terms: input tile `a` of the pixels by input tile `b` of the
    /// weights, for each `[a, b]`.
    fn sums(&self, terms: &[[usize; 2]]) -> Sums {
        const PAIRS: usize = TILE_DEPTH / 2;
        std::array::from_fn(|at| {
            let (pixel, channel) = (at / BLOCK_COLUMNS, at % BLOCK_COLUMNS);
            let weights = |b: usize, pair: usize| {
                let (tile, column) = (2 * b + channel / PAIRS, channel % PAIRS);
                self.weights[tile * TILE_FLOATS + pair * PAIRS + column]
            };
            let products = terms.iter().flat_map(|&[a, b]| {
                (0..PAIRS).map(move |pair| {
                    product(self.pixels[pixel][a * PAIRS + pair], weights(b, pair))
                })
            });
            products.sum()
        })
    }
}

/// Returns the product of two pairs of bf16.
fn product(a: f32, b: f32) -> f32 {
    let unpack = |pair: f32| {
        [bf16_to_f32(pair.to_bits() as u16), bf16_to_f32((pair.to_bits() >> 16) as u16)]
    };
    let ([a, c], [b, d]) = (unpack(a), unpack(b));
    a * b + c * d
}
