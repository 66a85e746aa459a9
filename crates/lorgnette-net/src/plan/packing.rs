//! Packed weights, shared by all plans of a network: a second picture size packs nothing again.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use lorgnette_kernels::Buffer;

/// What tells packed weights apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The constant they come from.
    pub(crate) filter: String,
    /// How the kernel wants them.
    pub(crate) layout: String,
    /// The factors they were multiplied by, bit for bit.
    pub(crate) scale: Option<Vec<u32>>,
}

/// Weights as a kernel wants them.
#[derive(Debug)]
pub(crate) enum Packed {
    /// Packed by this process.
    Made(Buffer),
    /// Packed before, and mapped from a file: aligned, of this machine's byte order.
    Mapped(Bytes),
}

impl Packed {
    /// Floats in a mapped file, if they are aligned.
    pub(crate) fn mapped(bytes: Bytes) -> Option<Self> {
        let aligned = bytemuck::try_cast_slice::<u8, f32>(&bytes).is_ok();
        (aligned && cfg!(target_endian = "little")).then_some(Self::Mapped(bytes))
    }
}

impl Deref for Packed {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Made(buffer) => buffer,
            Self::Mapped(bytes) => bytemuck::cast_slice(bytes),
        }
    }
}

type Slot = Arc<OnceLock<Arc<Packed>>>;

/// The weights packed so far.
#[derive(Debug, Default)]
pub struct Packing {
    slots: Mutex<HashMap<Key, Slot>>,
}

impl Packing {
    /// The place of these weights, so many floats, filled or to be filled.
    pub(super) fn slot(&self, key: Key, len: usize) -> Slot {
        let mut slots = self.slots();
        let slot = slots.entry(key).or_default();
        // Those of a damaged file, which are packed anew.
        if slot.get().is_some_and(|packed| packed.len() != len) {
            *slot = Slot::default();
        }
        slot.clone()
    }

    /// Adds weights that were packed before.
    pub(crate) fn insert(&self, key: Key, packed: Packed) {
        self.slots().insert(key, Arc::new(OnceLock::from(Arc::new(packed))));
    }

    /// All that is packed, in the order of the keys.
    pub(crate) fn filled(&self) -> Vec<(Key, Arc<Packed>)> {
        let slots = self.slots();
        let filled = slots.iter().filter_map(|(key, slot)| Some((key.clone(), slot.get()?.clone())));
        let mut filled: Vec<_> = filled.collect();
        filled.sort_by(|a, b| a.0.cmp(&b.0));
        filled
    }

    /// Bytes of all packed weights.
    pub fn bytes(&self) -> usize {
        self.slots().values().filter_map(|slot| slot.get()).map(|packed| packed.len() * size_of::<f32>()).sum()
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
