//! Descriptions of packed weights.

use std::fmt;

use crate::WeightFormat;

/// Version of the layouts of packed weights. A file with packed weights stores it, and is not used
/// with another version.
pub const PACKED_LAYOUTS: u32 = 5;

/// How a kernel stores its packed weights. Kernels of the same level and layout share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedLayout {
    /// Its name, unique among the layouts of a level.
    pub name: &'static str,
    /// The type of the stored weights.
    pub format: WeightFormat,
    /// The alignment in bytes that the kernel relies on.
    pub alignment: usize,
    /// The version of the layout: files that store weights of another one are stale.
    pub version: u32,
}

impl PackedLayout {
    pub(crate) const fn new(name: &'static str, format: WeightFormat) -> Self {
        Self { name, format, alignment: align_of::<f32>(), version: PACKED_LAYOUTS }
    }
}

impl fmt::Display for PackedLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}
