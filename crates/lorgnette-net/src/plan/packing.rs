//! Packed weights, shared by all plans of a network: a second picture size packs nothing again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lorgnette_kernels::Buffer;

/// What tells packed weights apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The constant they come from.
    pub(super) filter: String,
    /// How the kernel wants them.
    pub(super) layout: String,
    /// The factors they were multiplied by, bit for bit.
    pub(super) scale: Option<Vec<u32>>,
}

type Slot = Arc<OnceLock<Arc<Buffer>>>;

/// The weights packed so far.
#[derive(Debug, Default)]
pub struct Packing {
    slots: Mutex<HashMap<Key, Slot>>,
}

impl Packing {
    /// The place of these weights, filled or to be filled.
    pub(super) fn slot(&self, key: Key) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(key).or_default().clone()
    }

    /// Bytes of all packed weights.
    pub fn bytes(&self) -> usize {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.values().filter_map(|slot| slot.get()).map(|buffer| buffer.len() * size_of::<f32>()).sum()
    }
}
