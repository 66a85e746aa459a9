//! The matrix product at one point: tiles by one panel of output channels, over all input channels.

use crate::conv::panel_width;
use crate::isa::CACHE_LINE;
use crate::simd::{Simd, SimdOp};

/// A matrix product: `c[row][0..VECS · LANES] = Σ_k a[row][k] · b[k][..]`.
#[derive(Clone, Copy)]
pub(super) struct Gemm {
    /// Rows of tiles' values.
    pub(super) a: *const f32,
    /// Words from row to row of `a`.
    pub(super) a_stride: usize,
    /// The panel at this point, `[depth][panel width]`.
    pub(super) b: *const f32,
    /// The products, a panel's width from row to row.
    pub(super) c: *mut f32,
    pub(super) rows: usize,
    pub(super) depth: usize,
}

impl Gemm {
    /// Computes the product. Each value is the sum over `k` in order, whatever the number of rows.
    ///
    /// # Safety
    /// Caller guarantees that `a` has `rows` rows of `depth` words, `b` has `depth` rows of a
    /// panel's width, and `c` has `rows` such rows.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd, const VECS: usize>(self, simd: S) {
        let chunks = self.rows.div_ceil(S::TILE_ROWS);
        for chunk in 0..chunks {
            let rows = crate::blocks::chunk(self.rows, chunks, chunk);
            let (a, c) = (
                self.a.wrapping_add(rows.start * self.a_stride),
                self.c.wrapping_add(rows.start * panel_width::<S>()),
            );
            // Each chunk prefetches its share of the panel at the next point, which follows this
            // one.
            let ahead = self.b.wrapping_add(
                self.depth * panel_width::<S>()
                    + chunk * (self.depth / UNROLL) * PREFETCHES * CACHE_LINE,
            );
            // SAFETY: caller guarantees the rows, of which these are some.
            unsafe { Self { a, c, rows: rows.len(), ..self }.run_tile::<S, VECS>(simd, ahead) };
        }
    }

    /// # Safety
    /// As for `run`, with at most `TILE_ROWS` rows.
    #[inline(always)]
    unsafe fn run_tile<S: Simd, const VECS: usize>(self, simd: S, ahead: *const f32) {
        /// Calls the tile with the number of rows; tiles too large for the level are not compiled,
        /// as in [`Job::tile`](super::super::tile::Job::tile).
        macro_rules! choose {
            ($($n:literal)*) => {
                match self.rows {
                    $($n if const { $n <= S::TILE_ROWS } => {
                        simd.call(GemmTile::<$n, VECS> { gemm: self, ahead });
                    })*
                    rows => panic!("a tile of {rows} rows does not fit the registers"),
                }
            };
        }
        choose!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// Input channels of one loop iteration.
const UNROLL: usize = 4;
/// Cache lines of the next panel prefetched in an iteration.
const PREFETCHES: usize = 4;

/// A product of `ROWS` rows, constructed only by [`Gemm::run_tile`], whose caller guarantees its
/// pointers.
struct GemmTile<const ROWS: usize, const VECS: usize> {
    gemm: Gemm,
    ahead: *const f32,
}

impl<const ROWS: usize, const VECS: usize> SimdOp for GemmTile<ROWS, VECS> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Gemm { a, a_stride, mut b, c, depth, .. } = self.gemm;
        let mut ahead = self.ahead;
        // An address for each row. Offsets from one base would be recomputed, with the values on
        // the stack meanwhile.
        let rows: [_; ROWS] = std::array::from_fn(|r| a.wrapping_add(r * a_stride));
        let output_ptr = |r: usize, v: usize| c.wrapping_add(r * panel_width::<S>() + v * S::LANES);
        // Prefetched now, the lines to write to are in L1 at the end.
        for r in 0..ROWS {
            for v in (0..VECS).step_by(CACHE_LINE.div_ceil(S::LANES)) {
                simd.prefetch_write(output_ptr(r, v));
            }
        }
        let mut sums = [[simd.splat(0.0); VECS]; ROWS];
        let unrolled_depth = depth / UNROLL * UNROLL;
        // SAFETY: there are `depth` words in each row, and as many rows of a panel's width.
        let mut k = unsafe { simd.add_tile_products(&rows, b, depth, &mut sums) };
        b = b.wrapping_add(k * panel_width::<S>());
        while k < unrolled_depth {
            for line in 0..PREFETCHES {
                simd.prefetch(ahead.wrapping_add(line * CACHE_LINE));
            }
            ahead = ahead.wrapping_add(PREFETCHES * CACHE_LINE);
            for more in 0..UNROLL {
                // SAFETY: `k + more` is less than `depth`.
                unsafe {
                    step(
                        simd,
                        &rows,
                        k + more,
                        b.wrapping_add(more * panel_width::<S>()),
                        &mut sums,
                    );
                };
            }
            b = b.wrapping_add(UNROLL * panel_width::<S>());
            k += UNROLL;
        }
        while k < depth {
            // SAFETY: `k` is less than `depth`.
            unsafe { step(simd, &rows, k, b, &mut sums) };
            b = b.wrapping_add(panel_width::<S>());
            k += 1;
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                // SAFETY: `c` has a panel's width in each row.
                unsafe { simd.store(output_ptr(r, v), *sum) };
            }
        }
    }
}

/// Adds one input channel's products.
///
/// # Safety
/// Caller guarantees more than `k` words in each row and `VECS` vectors at `b`.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "constant indices become registers; iterators became memory"
)]
unsafe fn step<S: Simd, const ROWS: usize, const VECS: usize>(
    simd: S,
    rows: &[*const f32; ROWS],
    k: usize,
    b: *const f32,
    sums: &mut [[S::F; VECS]; ROWS],
) {
    let mut weights = [simd.splat(0.0); VECS];
    for v in 0..VECS {
        // SAFETY: caller guarantees it.
        weights[v] = unsafe { simd.load(b.wrapping_add(v * S::LANES)) };
    }
    for r in 0..ROWS {
        // SAFETY: caller guarantees it.
        unsafe { simd.add_products(rows[r], k, &weights, &mut sums[r]) };
    }
}
