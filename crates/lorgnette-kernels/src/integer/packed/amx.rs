//! Kernels of AMX: products of tiles of bytes, 32 pixels by a panel. Results are stored as by
//! AVX-512 VNNI, which also multiplies what is less than two tiles of pixels.

use super::gemm::{Epilogue, MAX_TILE_ROWS, PANEL, QUAD, Tile};
use super::vnni;
use crate::blocks::chunk;
use crate::isa;
use crate::simd::{BLOCK_COLUMNS, BLOCK_ROWS, ByteFactors, ByteSums, TILE_BYTES};

/// Pixels of the largest tile.
pub(super) const TILE_ROWS: usize = BLOCK_ROWS;
/// Bytes of which a pixel's values are multiplied as a whole.
pub(super) const ROW_UNIT: usize = TILE_BYTES;

const _: () = assert!(PANEL == BLOCK_COLUMNS);

/// Sums of a tile.
#[repr(align(64))]
struct TileSums(ByteSums);

/// True if this CPU has the instructions of the kernels here.
pub(super) fn is_available() -> bool {
    vnni::is_available() && isa::multiplies_bytes()
}

/// Computes the sums of a tile of `rows` pixels and stores its results.
///
/// # Safety
/// Caller guarantees the instructions, that the pointers are valid as their fields say, and all
/// rows of the block.
pub(super) unsafe fn tile(tile: &mut Tile<'_>, rows: usize, epilogue: &Epilogue<'_>) {
    let Some(registers) = tile.registers.filter(|_| tile.block_rows >= TILE_ROWS) else {
        // SAFETY: caller guarantees it.
        return unsafe { tile_by_vnni(tile, rows, epilogue) };
    };
    assert!(rows <= TILE_ROWS, "a tile's rows");
    // Tiles have all their rows. Those before are read where there are too few behind.
    let before = (tile.first_row + TILE_ROWS).saturating_sub(tile.block_rows);
    let factors = ByteFactors {
        pixels: tile.rows.wrapping_sub(before * tile.row_stride),
        pixel_bytes: tile.row_stride,
        steps: tile.quads * QUAD / ROW_UNIT,
        weights: tile.weights,
        constants: tile.constants,
    };
    let mut sums = TileSums([[0; PANEL]; TILE_ROWS]);
    // SAFETY: the rows from `before` on are of the block; caller guarantees the rest.
    unsafe {
        factors.multiply(registers, &mut sums.0);
        vnni::store_results(&sums.0[before..before + rows], epilogue);
    }
}

/// Computes a tile in parts that AVX-512 VNNI has registers for.
///
/// # Safety
/// As for [`tile`].
unsafe fn tile_by_vnni(tile: &mut Tile<'_>, rows: usize, epilogue: &Epilogue<'_>) {
    let parts = rows.div_ceil(MAX_TILE_ROWS);
    for part in (0..parts).map(|part| chunk(rows, parts, part)) {
        let mut of_part = Tile {
            rows: tile.rows.wrapping_add(part.start * tile.row_stride),
            sums: &mut *tile.sums,
            // The next part has the same place for sums.
            pending: None,
            ..*tile
        };
        // SAFETY: caller guarantees it.
        unsafe { vnni::tile(&mut of_part, part.len(), &epilogue.skipping(part.start)) };
    }
}
