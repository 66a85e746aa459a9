//! The machine's own peak, measured on the spot: independent multiply-adds on registers, nothing else.

use std::hint::black_box;
use std::time::Instant;

use lorgnette_kernels::{Level, Pool};

/// Multiply-adds in a turn: enough to hide their latency.
const CHAINS: usize = 24;
const TURNS: usize = 20_000;

/// Floating-point operations a second of all threads of a pool, in billions. Of AMX, those of its vectors.
pub fn gflops(level: Level, pool: &Pool) -> f64 {
    let start = Instant::now();
    let tasks = 4 * pool.threads();
    pool.run(tasks, &|_, _| multiply_add(level));
    (tasks * TURNS * CHAINS * 2 * lanes(level)) as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn lanes(level: Level) -> usize {
    match level.vectors() {
        Level::Portable => 4,
        Level::Avx2 => 8,
        Level::Avx512 | Level::Amx => 16,
    }
}

fn multiply_add(level: Level) {
    assert!(level.is_available(), "this CPU does not have {level}");
    match level.vectors() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the level, as just asserted.
        Level::Avx512 => unsafe { x86::avx512() },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the level, as just asserted.
        Level::Avx2 => unsafe { x86::avx2() },
        _ => {
            let mut sums = [[black_box(1.0_f32); 4]; CHAINS];
            for _ in 0..TURNS {
                sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = *sum * 0.5 + 0.25);
            }
            black_box(sums);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CHAINS, TURNS, black_box};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512() {
        let (a, b) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(0.25)));
        let mut sums = [a; CHAINS];
        for _ in 0..TURNS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2() {
        let (a, b) = (_mm256_set1_ps(black_box(0.5)), _mm256_set1_ps(black_box(0.25)));
        let mut sums = [a; CHAINS / 2];
        for _ in 0..2 * TURNS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }
}
