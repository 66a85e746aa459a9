//! Checksums of tables, bundles, event files and plan files: CRC-32C, masked so that the checksum
//! of bytes that contain checksums stays reliable (`tensorflow/core/lib/hash/crc32c.h`).

use std::sync::atomic::{AtomicU32, Ordering};

use lorgnette_kernels::ThreadPool;

const MASK_DELTA: u32 = 0xa282_ead8;

/// Compares the bytes, given in one or more pieces, with the masked checksum stored for them.
pub(crate) fn verify(pieces: &[&[u8]], stored: u32) -> Result<(), String> {
    Checksum(pieces.iter().fold(0, |crc, piece| crc32c::crc32c_append(crc, piece))).compare(stored)
}

/// A CRC-32C of the bytes added so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checksum(u32);

impl Checksum {
    /// Appends bytes, dividing the work among all threads.
    pub(crate) fn add(&mut self, bytes: &[u8], pool: &ThreadPool) {
        let chunks: Vec<&[u8]> =
            bytes.chunks(bytes.len().div_ceil(pool.threads()).max(1)).collect();
        let sums: Vec<AtomicU32> = chunks.iter().map(|_| AtomicU32::new(0)).collect();
        pool.run(chunks.len(), &|_, i| sums[i].store(crc32c::crc32c(chunks[i]), Ordering::Relaxed));
        for (chunk, sum) in chunks.iter().zip(&sums) {
            self.0 = crc32c::crc32c_combine(self.0, sum.load(Ordering::Relaxed), chunk.len());
        }
    }

    /// Computes the checksum of `bytes`.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(crc32c::crc32c(bytes))
    }

    /// Returns the masked form, as files store it.
    pub(crate) fn masked(self) -> u32 {
        self.0.rotate_right(15).wrapping_add(MASK_DELTA)
    }

    /// Compares the checksum with the masked one that is stored.
    pub(crate) fn compare(self, stored: u32) -> Result<(), String> {
        let masked = self.masked();
        if masked == stored {
            return Ok(());
        }
        Err(format!(
            "the checksum does not match (crc32c {masked:08x} where {stored:08x} is stored): the \
             bytes are damaged"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_threads_do_not_change_it() {
        let bytes: Vec<u8> = (0..100_003u32).map(|i| (i.wrapping_mul(i) % 253) as u8).collect();
        for (threads, piece) in [(1, 100_003), (2, 100_003), (3, 777), (4, 2)] {
            let (pool, mut sum) = (ThreadPool::new(threads), Checksum::default());
            bytes.chunks(piece).for_each(|piece| sum.add(piece, &pool));
            assert_eq!(sum.0, crc32c::crc32c(&bytes), "{threads} threads");
        }
    }
}
