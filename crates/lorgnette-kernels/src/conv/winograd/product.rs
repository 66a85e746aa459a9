//! The product at one point: tiles by one panel of output channels, over all input channels.

use crate::conv::panel_width;
use crate::simd::{Kernel, MOST_TILE_ROWS, Simd};

/// A matrix product: `c[row][0..VECS · LANES] = Σ_k a[row][k] · b[k][..]`.
#[derive(Clone, Copy)]
pub(super) struct Product {
    /// Rows of tiles' values.
    pub(super) a: *const f32,
    /// Floats from row to row of `a`.
    pub(super) a_step: usize,
    /// The panel at this point, `[depth][panel width]`.
    pub(super) b: *const f32,
    /// Where the products go, a panel's width from row to row.
    pub(super) c: *mut f32,
    pub(super) rows: usize,
    pub(super) depth: usize,
}

impl Product {
    /// Computes. Each value is the sum over `k` in order, whatever the number of rows.
    ///
    /// # Safety
    /// `a` has `rows` rows of `depth` floats, `b` has `depth` rows of a panel's width, `c` has room for `rows` such.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd, const VECS: usize>(self, simd: S) {
        let parts = self.rows.div_ceil(S::TILE_ROWS);
        for part in 0..parts {
            let rows = crate::blocks::part(self.rows, parts, part);
            let (a, c) =
                (self.a.wrapping_add(rows.start * self.a_step), self.c.wrapping_add(rows.start * panel_width::<S>()));
            // Each part brings its share of the panel at the next point, which lies behind this one, into cache.
            let ahead =
                self.b.wrapping_add(self.depth * panel_width::<S>() + part * (self.depth / UNROLL) * PREFETCHES * LINE);
            // SAFETY: some of the rows that the caller vouches for.
            unsafe { Self { a, c, rows: rows.len(), ..self }.part::<S, VECS>(simd, ahead) };
        }
    }

    /// # Safety
    /// As for `run`, with at most `TILE_ROWS` rows.
    #[inline(always)]
    unsafe fn part<S: Simd, const VECS: usize>(self, simd: S, ahead: *const f32) {
        /// Calls the tile of as many rows as there are; those too large for the level are never compiled.
        macro_rules! choose {
            ($($n:literal)*) => {
                match self.rows {
                    $($n if $n <= S::TILE_ROWS => simd.call(Rows::<$n, VECS> { product: self, ahead }),)*
                    _ => unreachable!("a tile has at most {} rows", MOST_TILE_ROWS),
                }
            };
        }
        choose!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// Input channels of one turn of the loop.
const UNROLL: usize = 4;
/// Cache lines of the next panel prefetched in a turn.
const PREFETCHES: usize = 4;
/// Floats of a cache line.
const LINE: usize = 16;

/// A product of `ROWS` rows; made only by [`Product::part`], whose caller vouches for its pointers.
struct Rows<const ROWS: usize, const VECS: usize> {
    product: Product,
    ahead: *const f32,
}

impl<const ROWS: usize, const VECS: usize> Kernel for Rows<ROWS, VECS> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Product { a, a_step, mut b, c, depth, .. } = self.product;
        let mut ahead = self.ahead;
        // An address for each row: steps from one base would be reckoned anew, and the values kept on the stack meanwhile.
        let rows: [_; ROWS] = std::array::from_fn(|r| a.wrapping_add(r * a_step));
        let place = |r: usize, v: usize| c.wrapping_add(r * panel_width::<S>() + v * S::LANES);
        // Asked for now, the lines to write to are here at the end.
        for r in 0..ROWS {
            for v in 0..VECS {
                simd.prefetch_to_write(place(r, v));
            }
        }
        let mut sums = [[simd.splat(0.0); VECS]; ROWS];
        let (whole, mut k) = (depth / UNROLL * UNROLL, 0);
        while k < whole {
            for line in 0..PREFETCHES {
                simd.prefetch(ahead.wrapping_add(line * LINE));
            }
            ahead = ahead.wrapping_add(PREFETCHES * LINE);
            for more in 0..UNROLL {
                // SAFETY: `k + more` is less than `depth`.
                unsafe { step(simd, &rows, k + more, b.wrapping_add(more * panel_width::<S>()), &mut sums) };
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
                // SAFETY: `c` has room for a panel's width in each row.
                unsafe { simd.store(place(r, v), *sum) };
            }
        }
    }
}

/// Adds one input channel's products.
///
/// # Safety
/// Each row has more than `k` floats, `VECS` vectors can be read at `b`.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "constant indices become registers; iterators became memory")]
unsafe fn step<S: Simd, const ROWS: usize, const VECS: usize>(
    simd: S,
    rows: &[*const f32; ROWS],
    k: usize,
    b: *const f32,
    sums: &mut [[S::F; VECS]; ROWS],
) {
    let mut weights = [simd.splat(0.0); VECS];
    for v in 0..VECS {
        // SAFETY: the caller vouches for it.
        weights[v] = unsafe { simd.load(b.wrapping_add(v * S::LANES)) };
    }
    for r in 0..ROWS {
        // SAFETY: the caller vouches for it.
        unsafe { simd.add_products_of(rows[r], k, &weights, &mut sums[r]) };
    }
}
