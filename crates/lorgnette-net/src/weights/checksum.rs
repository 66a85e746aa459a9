//! The checksum that tables and bundles keep: CRC-32C, masked so that a checksum of bytes that hold checksums is
//! still a good one (`tensorflow/core/lib/hash/crc32c.h`).

const MASK_DELTA: u32 = 0xa282_ead8;

/// Compares the bytes, given in one or more pieces, with the masked checksum stored for them.
pub(super) fn verify(pieces: &[&[u8]], stored: u32) -> Result<(), String> {
    let crc = pieces.iter().fold(0, |crc, piece| crc32c::crc32c_append(crc, piece));
    let masked = crc.rotate_right(15).wrapping_add(MASK_DELTA);
    if masked == stored {
        return Ok(());
    }
    Err(format!(
        "the checksum does not match (crc32c {masked:08x} where {stored:08x} is stored): the bytes are damaged"
    ))
}
