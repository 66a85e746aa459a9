//! Reads little-endian numbers one after another.

use bytes::{Buf as _, Bytes};

use super::Damage;

/// The rest of a structure.
#[derive(Clone, Debug)]
pub(super) struct Cursor(Bytes);

impl Cursor {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(super) fn remaining(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<Bytes, Damage> {
        if length > self.0.len() {
            return Err("it ends early".into());
        }
        Ok(self.0.split_to(length))
    }

    pub(super) fn skip(&mut self, length: usize) -> Result<(), Damage> {
        self.take(length).map(drop)
    }

    /// Skips a signature of four letters.
    pub(super) fn expect(&mut self, signature: &[u8; 4]) -> Result<(), Damage> {
        match &self.take(4)?[..] == signature {
            true => Ok(()),
            false => Err(format!("'{}' is not where it belongs", signature.escape_ascii())),
        }
    }

    pub(super) fn u8(&mut self) -> Result<u8, Damage> {
        Ok(self.take(1)?.get_u8())
    }

    pub(super) fn u16(&mut self) -> Result<u16, Damage> {
        Ok(self.take(2)?.get_u16_le())
    }

    pub(super) fn u32(&mut self) -> Result<u32, Damage> {
        Ok(self.take(4)?.get_u32_le())
    }

    pub(super) fn u64(&mut self) -> Result<u64, Damage> {
        Ok(self.take(8)?.get_u64_le())
    }

    /// Reads a number of `1 << power` bytes.
    pub(super) fn sized(&mut self, power: u8) -> Result<u64, Damage> {
        Ok(match power & 3 {
            0 => self.u8()?.into(),
            1 => self.u16()?.into(),
            2 => self.u32()?.into(),
            _ => self.u64()?,
        })
    }

    /// Reads a length that must fit into the rest.
    pub(super) fn length(&mut self, power: u8) -> Result<usize, Damage> {
        let length = self.sized(power)?;
        usize::try_from(length)
            .ok()
            .filter(|&length| length <= self.remaining())
            .ok_or_else(|| "it ends early".into())
    }
}
