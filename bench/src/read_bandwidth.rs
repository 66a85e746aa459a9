//! Read bandwidth of memory and of the shared cache.

use std::hint::black_box;
use std::time::Instant;

use lorgnette_kernels::{Buffer, Level, ThreadPool};

/// Bytes of a thread's data that no cache holds.
const IN_MEMORY: usize = 192 << 20;
/// Bytes that exceed a core's own caches but fit the shared one (2 MiB and 8 MiB a core or more on
/// current CPUs).
const IN_SHARED_CACHE: usize = 4 << 20;
/// Measurements, of which the fastest counts.
const REPETITIONS: usize = 8;
/// Floats read in one iteration.
const STEP: usize = 128;

/// Returns the GB/s that all threads of a pool read from memory together.
pub fn from_memory(level: Level, pool: &ThreadPool) -> f64 {
    gb_s(level, pool, IN_MEMORY, 1)
}

/// Returns the GB/s that all threads of a pool read together from the shared cache.
pub fn from_shared_cache(level: Level, pool: &ThreadPool) -> f64 {
    gb_s(level, pool, IN_SHARED_CACHE, 10)
}

/// Returns the GB/s when each thread reads `bytes` bytes `times` times.
fn gb_s(level: Level, pool: &ThreadPool, bytes: usize, times: usize) -> f64 {
    assert!(level.is_available(), "this CPU does not have {level}");
    let each = bytes / size_of::<f32>();
    let mut numbers = Buffer::for_values::<f32>(each * pool.threads()).expect("memory to read");
    // Pages that were never written may all be the same page of zeros.
    numbers.values_mut::<f32>().fill(1.0);
    let numbers = numbers.values();
    let read_once = || {
        let start = Instant::now();
        pool.run(pool.threads(), &|_, part| {
            (0..times).for_each(|_| read(level, &numbers[part * each..][..each]));
        });
        (bytes * pool.threads() * times) as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..REPETITIONS).map(|_| read_once()).fold(0.0, f64::max)
}

fn read(level: Level, numbers: &[f32]) {
    match level.base_isa() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the level, as the caller asserted.
        Level::Avx512 => unsafe { avx512(numbers) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the level, as the caller asserted.
        Level::Avx2 => unsafe { avx2(numbers) },
        _ => largest(numbers),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(numbers: &[f32]) {
    largest(numbers);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(numbers: &[f32]) {
    largest(numbers);
}

/// Reads in a loop that the compiler vectorises, with enough accumulators to hide latency.
#[inline(always)]
fn largest(numbers: &[f32]) {
    let mut bits = [0; STEP];
    for step in black_box(numbers).as_chunks::<STEP>().0 {
        bits.iter_mut().zip(step).for_each(|(bits, number)| *bits |= number.to_bits());
    }
    black_box(bits);
}
