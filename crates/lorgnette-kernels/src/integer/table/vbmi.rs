//! Tables of 256 bytes in four vectors, by the permutations of AVX-512 VBMI.

use std::arch::x86_64::*;

/// True if this CPU has the instructions.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
}

/// Looks each value up.
///
/// # Safety
/// Caller guarantees the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) unsafe fn look_up(table: &[u8; 256], from: &[u8], to: &mut [u8]) {
    let mut quarters = [_mm512_setzero_si512(); 4];
    for (quarter, values) in quarters.iter_mut().zip(table.chunks_exact(64)) {
        // SAFETY: a quarter has a vector's bytes.
        *quarter = unsafe { _mm512_loadu_si512(values.as_ptr().cast()) };
    }
    for (from, to) in from.chunks(64).zip(to.chunks_mut(64)) {
        let mask = u64::MAX >> (64 - from.len().min(to.len()));
        // SAFETY: the mask has no more bytes than the slices.
        unsafe {
            let values = _mm512_maskz_loadu_epi8(mask, from.as_ptr().cast());
            // An index has seven bits of a value; its highest bit chooses the half.
            let low = _mm512_permutex2var_epi8(quarters[0], values, quarters[1]);
            let high = _mm512_permutex2var_epi8(quarters[2], values, quarters[3]);
            let results = _mm512_mask_blend_epi8(_mm512_movepi8_mask(values), low, high);
            _mm512_mask_storeu_epi8(to.as_mut_ptr().cast(), mask, results);
        }
    }
}
