//! Results that are stored while the products of the next tile are added.
//!
//! Rescaling takes other units of a core than products of bytes do. So each step of a tile's
//! products is followed by the results of a pixel of the tile before.

use std::arch::x86_64::*;

use super::super::Limits;
use super::super::channel_factors::{ChannelFactors, VectorFactors};
use super::super::gemm::{Epilogue, MAX_TILE_ROWS, PANEL};
use super::LANES;
use super::rescale::Rounding;

/// Rescales two vectors of sums, each by one shift of the high halves of its products. `$sign_of`
/// and `$fix` are empty, or find and correct negative products.
macro_rules! rescale_pixel {
    (
        $pending:ident,
        [$low:ident $of_low:ident $high:ident $of_high:ident],
        $sign_of:literal,
        $fix:literal
    ) => {
        std::arch::asm!(
            "mov {x:e}, 0x5555",
            "kmovw k1, {x:e}",
            "vmovdqa64 {a}, zmmword ptr [{sums}]",
            "vmovdqa64 {c}, zmmword ptr [{sums} + 64]",
            "vpsrlq {b}, {a}, 32",
            "vpsrlq {d}, {c}, 32",
            "vpmuldq {a}, {a}, zmmword ptr [{factors}]",
            "vpmuldq {b}, {b}, zmmword ptr [{factors} + 64]",
            "vpmuldq {c}, {c}, zmmword ptr [{factors} + 384]",
            "vpmuldq {d}, {d}, zmmword ptr [{factors} + 448]",
            concat!($sign_of, "k2, {a}"),
            concat!($sign_of, "k3, {b}"),
            concat!($sign_of, "k4, {c}"),
            concat!($sign_of, "k5, {d}"),
            "vpaddq {a}, {a}, zmmword ptr [{factors} + 128]",
            "vpaddq {b}, {b}, zmmword ptr [{factors} + 192]",
            "vpaddq {c}, {c}, zmmword ptr [{factors} + 512]",
            "vpaddq {d}, {d}, zmmword ptr [{factors} + 576]",
            concat!($fix, "{a} {{k2}}, {a}, zmmword ptr [{of_negative}]"),
            concat!($fix, "{b} {{k3}}, {b}, zmmword ptr [{of_negative}]"),
            concat!($fix, "{c} {{k4}}, {c}, zmmword ptr [{of_negative}]"),
            concat!($fix, "{d} {{k5}}, {d}, zmmword ptr [{of_negative}]"),
            "vmovshdup {b} {{k1}}, {a}",
            "vmovshdup {d} {{k1}}, {c}",
            "vpsravd {b}, {b}, zmmword ptr [{factors} + 256]",
            "vpsravd {d}, {d}, zmmword ptr [{factors} + 640]",
            sums = in(reg) $pending.sums,
            factors = in(reg) $pending.factors,
            of_negative = in(reg) &raw const $pending.constants.of_negative,
            x = out(reg) _,
            a = out(zmm_reg) $of_low,
            b = out(zmm_reg) $low,
            c = out(zmm_reg) $of_high,
            d = out(zmm_reg) $high,
            out("k1") _, out("k2") _, out("k3") _, out("k4") _, out("k5") _,
            options(readonly, nostack, preserves_flags),
        )
    };
}

/// Stores the results of the next pixel of a [`Pending`], which has one. A macro, because a call
/// would spill the sums of the tile that is being computed.
macro_rules! store_pixel {
    ($pending:ident) => {{
        // Outputs need variables to have a type.
        let (low, _of_low, high, _of_high): (__m512i, __m512i, __m512i, __m512i);
        // SAFETY: a pixel that waits has two vectors of sums and of factors, and its place.
        unsafe {
            if $pending.is_positive {
                rescale_pixel!($pending, [low _of_low high _of_high], "# ", "# ");
            } else {
                rescale_pixel!($pending, [low _of_low high _of_high], "vpmovq2m ", "vpsubq ");
            }
            let lowest = _mm512_load_si512($pending.constants.lowest.as_ptr().cast());
            let highest = _mm512_load_si512($pending.constants.highest.as_ptr().cast());
            let words = _mm512_packs_epi32(low, high);
            let bytes = if $pending.is_signed {
                let bytes = _mm512_packs_epi16(words, words);
                _mm512_min_epi8(_mm512_max_epi8(bytes, lowest), highest)
            } else {
                let bytes = _mm512_packus_epi16(words, words);
                _mm512_min_epu8(_mm512_max_epu8(bytes, lowest), highest)
            };
            let order = _mm512_load_si512($pending.constants.order.as_ptr().cast());
            let bytes = _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, bytes));
            if $pending.channels == __mmask32::MAX {
                _mm256_storeu_si256($pending.output.cast(), bytes);
            } else {
                _mm256_mask_storeu_epi8($pending.output.cast(), $pending.channels, bytes);
            }
        }
        $pending.sums = $pending.sums.wrapping_add(1);
        $pending.output = $pending.output.wrapping_add($pending.output_stride);
        $pending.rows -= 1;
    }};
}

/// Vectors that instructions load from memory.
#[repr(C, align(64))]
pub(super) struct Constants {
    pub(super) lowest: [u8; 64],
    pub(super) highest: [u8; 64],
    /// From fours of channels of two vectors to those of the first, then of the second.
    pub(super) order: [i32; LANES],
    /// Subtracted from negative products.
    pub(super) of_negative: [i64; LANES / 2],
}

/// The sums of a tile's pixels whose results are not stored yet, and how they are stored. Pointers
/// are valid while `rows` is not zero.
pub(in super::super) struct Pending {
    pub(super) constants: Constants,
    pub(super) is_signed: bool,
    /// True if negative results need no rounding of their own.
    pub(super) is_positive: bool,
    /// True if results may be stored later at all.
    can_wait: bool,
    pub(super) rows: usize,
    pub(super) sums: *const [i32; PANEL],
    /// Those of two vectors.
    pub(super) factors: *const VectorFactors,
    pub(super) output: *mut u8,
    pub(super) output_stride: usize,
    /// The channels that there are.
    pub(super) channels: __mmask32,
}

impl Pending {
    /// Returns no results of a convolution whose pixels have `quads` fours of products. They can
    /// wait if they are rounded once, and there is a step of the next tile for each pixel.
    pub(in super::super) fn none(factors: &ChannelFactors, limits: Limits, quads: usize) -> Self {
        let rounding = Rounding::new(factors, limits);
        Self {
            constants: Constants {
                lowest: [(limits.low + limits.zero_point) as u8; 64],
                highest: [(limits.high + limits.zero_point) as u8; 64],
                order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
                of_negative: [1 << 31; LANES / 2],
            },
            is_signed: limits.is_signed,
            is_positive: matches!(rounding, Rounding::PositiveOneShift),
            can_wait: quads >= MAX_TILE_ROWS
                && matches!(rounding, Rounding::PositiveOneShift | Rounding::OneShift),
            rows: 0,
            sums: std::ptr::null(),
            factors: std::ptr::null(),
            output: std::ptr::null_mut(),
            output_stride: 0,
            channels: 0,
        }
    }

    /// Takes over the results of a tile; returns false if they have to be stored at once.
    ///
    /// # Safety
    /// Caller guarantees that sums, factors and output stay where they are until
    /// [`Pending::finish`], or the products of another tile.
    pub(super) unsafe fn take(&mut self, sums: &[[i32; PANEL]], epilogue: &Epilogue<'_>) -> bool {
        if !self.can_wait || !epilogue.row_sums.is_empty() {
            return false;
        }
        debug_assert_eq!(self.rows, 0, "the results of another tile wait");
        let factors = &epilogue.factors.vectors[epilogue.channels.start / LANES..][..2];
        self.rows = sums.len();
        self.sums = sums.as_ptr();
        self.factors = factors.as_ptr();
        self.output = epilogue.output;
        self.output_stride = epilogue.output_stride;
        self.channels = ((1u64 << epilogue.channels.len()) - 1) as __mmask32;
        true
    }

    /// Stores all results.
    ///
    /// # Safety
    /// Caller guarantees the instructions.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(in super::super) unsafe fn finish(&mut self) {
        let pending = self;
        while pending.rows > 0 {
            store_pixel!(pending);
        }
    }
}

pub(super) use {rescale_pixel, store_pixel};

const _: () = assert!(size_of::<VectorFactors>() == 384 && PANEL == 2 * LANES);
