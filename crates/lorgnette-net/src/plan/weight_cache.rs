//! Packed weights, shared by all plans of a network, so that another picture size packs nothing
//! again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use lorgnette_kernels::{Buffer, BufferRegion, PackedLayout};

use crate::error::{Error, Result};
use crate::memory;

/// Names this storage in errors.
const WHAT: &str = "the packed weights";

fn out_of_memory(needed: u64) -> Error {
    Error::Memory { what: WHAT.into(), needed, limit: 0 }
}

/// Allocates bytes for weights or constants.
pub(super) fn weight_buffer(len: usize) -> Result<Buffer> {
    memory::check(WHAT, len as u64)?;
    Buffer::zeroed(len).map_err(|_| out_of_memory(len as u64))
}

/// Identifies packed weights.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WeightKey {
    /// The constant they are packed from.
    pub(crate) filter: String,
    /// The kernel's layout of them.
    pub(crate) layout: String,
    /// The bits of the factors that were multiplied into them.
    pub(crate) scale: Option<Vec<u32>>,
}

/// Weights in a kernel's layout.
#[derive(Debug)]
pub(crate) enum PackedWeights {
    /// Packed by this process.
    Owned(Buffer),
    /// Mapped from a plan file: aligned, in this machine's byte order.
    Mapped(Bytes),
}

impl PackedWeights {
    /// Returns the weights in a mapped file, if they are of whole and aligned words.
    pub(crate) fn mapped(bytes: Bytes) -> Option<Self> {
        let aligned = bytemuck::try_cast_slice::<u8, f32>(&bytes).is_ok();
        (aligned && cfg!(target_endian = "little")).then_some(Self::Mapped(bytes))
    }

    /// The weights' bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(buffer) => buffer,
            Self::Mapped(bytes) => bytes,
        }
    }

    /// The weights as kernels take them: words of any content.
    pub(crate) fn words(&self) -> &[f32] {
        bytemuck::cast_slice(self.bytes())
    }

    /// True if they are of that length in bytes and aligned as a kernel's layout wants them.
    fn fits(&self, layout: PackedLayout, len: usize) -> bool {
        let bytes = self.bytes();
        bytes.len() == len && bytes.as_ptr().addr().is_multiple_of(layout.alignment)
    }
}

impl AsRef<[u8]> for PackedWeights {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

type WeightCell = Arc<OnceLock<Arc<PackedWeights>>>;

/// The weights packed so far.
#[derive(Debug, Default)]
pub struct WeightCache {
    cells: Mutex<HashMap<WeightKey, WeightCell>>,
    /// Where weights go that are still to be packed.
    region: Mutex<Option<BufferRegion>>,
}

/// Bytes of a region for weights whose number is not known.
const REGION_BYTES: usize = 8 << 20;

impl WeightCache {
    /// Makes room, side by side, for weights of these lengths in bytes.
    pub(super) fn reserve(&self, lengths: impl Iterator<Item = usize> + Clone) -> Result<()> {
        let needed: u64 = lengths.clone().map(|len| len as u64).sum();
        if needed == 0 {
            return Ok(());
        }
        memory::check(WHAT, needed)?;
        let region = BufferRegion::for_lengths(lengths).map_err(|_| out_of_memory(needed))?;
        *self.region() = Some(region);
        Ok(())
    }

    /// Takes `len` bytes of zeros for weights.
    pub(super) fn buffer(&self, len: usize) -> Result<Buffer> {
        let mut region = self.region();
        if let Some(buffer) = region.as_mut().and_then(|region| region.take(len)) {
            return Ok(buffer);
        }
        // A region is more than is needed now: not where memory is short.
        let is_short = memory::check(WHAT, 2 * REGION_BYTES as u64).is_err();
        if len > REGION_BYTES || is_short {
            return weight_buffer(len);
        }
        let room = BufferRegion::for_lengths([REGION_BYTES]);
        let room = region.insert(room.map_err(|_| out_of_memory(len as u64))?);
        room.take(len).ok_or_else(|| out_of_memory(len as u64))
    }

    fn region(&self) -> MutexGuard<'_, Option<BufferRegion>> {
        self.region.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cell of these weights, `len` bytes in a kernel's layout, filled or to be filled.
    pub(super) fn cell(&self, key: WeightKey, layout: PackedLayout, len: usize) -> WeightCell {
        let mut cells = self.cells();
        let cell = cells.entry(key).or_default();
        // Weights of a damaged file have another length; they are packed again.
        if cell.get().is_some_and(|packed| !packed.fits(layout, len)) {
            *cell = WeightCell::default();
        }
        cell.clone()
    }

    /// Adds weights that were packed before.
    pub(crate) fn insert(&self, key: WeightKey, packed: PackedWeights) {
        self.cells().insert(key, Arc::new(OnceLock::from(Arc::new(packed))));
    }

    /// All packed weights, in the order of their keys.
    pub(crate) fn entries(&self) -> Vec<(WeightKey, Arc<PackedWeights>)> {
        let cells = self.cells();
        let entries =
            cells.iter().filter_map(|(key, cell)| Some((key.clone(), cell.get()?.clone())));
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries
    }

    /// Bytes of all packed weights.
    pub fn bytes(&self) -> usize {
        self.cells().values().filter_map(|cell| cell.get()).map(|packed| packed.bytes().len()).sum()
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<WeightKey, WeightCell>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
