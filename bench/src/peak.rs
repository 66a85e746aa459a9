//! Peak arithmetic rates, measured by independent multiply-adds on registers.

use std::hint::black_box;
use std::time::Instant;

use lorgnette_kernels::numerics::has_bf16;
use lorgnette_kernels::{Level, ThreadPool};

/// Multiply-adds in an iteration: enough to hide their latency.
const CHAINS: usize = 24;
const REPETITIONS: usize = 20_000;

/// Returns the GFLOP/s of all threads of a pool; for AMX, those of its vectors.
pub fn gflops(level: Level, pool: &ThreadPool) -> f64 {
    rate(2 * level.isa().lanes, pool, || multiply_add(level))
}

/// Returns the GFLOP/s of products of bf16 pairs; `None` where the CPU has no such products.
pub fn bf16_gflops(level: Level, pool: &ThreadPool) -> Option<f64> {
    let is_there = level.multiplies_bf16();
    is_there.then(|| rate(4 * level.isa().lanes, pool, multiply_add_pairs))
}

/// Returns billions of operations a second of all threads.
fn rate(operations: usize, pool: &ThreadPool, turns: impl Fn() + Sync) -> f64 {
    let start = Instant::now();
    let tasks = 4 * pool.threads();
    pool.run(tasks, &|_, _| turns());
    (tasks * REPETITIONS * CHAINS * operations) as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn multiply_add(level: Level) {
    assert!(level.is_available(), "this CPU does not have {level}");
    match level.base_isa() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the level, as just asserted.
        Level::Avx512 => unsafe { x86::avx512() },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the level, as just asserted.
        Level::Avx2 => unsafe { x86::avx2() },
        _ => {
            let mut sums = [[black_box(1.0_f32); 4]; CHAINS];
            for _ in 0..REPETITIONS {
                sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = *sum * 0.5 + 0.25);
            }
            black_box(sums);
        }
    }
}

fn multiply_add_pairs() {
    assert!(has_bf16(), "this CPU does not have AVX-512 BF16");
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the CPU has the instructions, as just asserted.
    unsafe {
        x86::avx512_bf16();
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CHAINS, REPETITIONS, black_box};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512() {
        let (a, b) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(0.25)));
        let mut sums = [a; CHAINS];
        for _ in 0..REPETITIONS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub(super) fn avx512_bf16() {
        let numbers = _mm512_set1_ps(black_box(0.25));
        let (a, b) = (_mm512_cvtne2ps_pbh(numbers, numbers), _mm512_cvtne2ps_pbh(numbers, numbers));
        let mut sums = [numbers; CHAINS];
        for _ in 0..REPETITIONS {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2() {
        let (a, b) = (_mm256_set1_ps(black_box(0.5)), _mm256_set1_ps(black_box(0.25)));
        let mut sums = [a; CHAINS / 2];
        for _ in 0..2 * REPETITIONS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }
}
