//! The storage type of every value, decided once for fused groups and for the layout in memory.
//!
//! A value is stored as bf16 if all its readers prefer that and its kernel can write it. If only
//! some do, they read a bf16 copy.

use std::collections::HashSet;

use lorgnette_kernels::StorageType;

use super::PlanOptions;
use super::storage_preference::StoragePreference;
use crate::graph::NodeId;
use crate::graph::shape::TypedGraph;

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// Real numbers.
    Real(StorageType),
    /// Integers that stand for real numbers, of that many bytes each.
    Integers(usize),
}

impl Storage {
    pub(super) const FLOAT32: Self = Self::Real(StorageType::Float32);
    pub(super) const BF16: Self = Self::Real(StorageType::Bf16);

    /// Returns the bytes of an element.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Real(storage) => storage.size(),
            Self::Integers(size) => size,
        }
    }

    /// Returns the elements that a pixel of that many channels takes.
    pub(super) fn pixel_len(self, channels: usize) -> usize {
        match self {
            Self::Real(storage) => storage.pixel_len(channels),
            Self::Integers(_) => channels,
        }
    }

    /// Returns the type of real numbers.
    pub(super) fn real(self) -> Result<StorageType, String> {
        match self {
            Self::Real(storage) => Ok(storage),
            Self::Integers(_) => {
                Err("it computes with real numbers, and its values are integers".into())
            }
        }
    }
}

/// The storage types of a graph's values.
#[derive(Debug)]
pub(super) struct StorageTypes {
    /// For each node, the storage type of its value.
    types: Vec<Storage>,
    /// For each node, whether some reader prefers bf16 although the value is float32.
    has_bf16_copy: Vec<bool>,
    /// The pairs of reader and input of which the reader prefers bf16.
    reads_bf16: HashSet<(NodeId, NodeId)>,
}

impl StorageTypes {
    /// Decides all types, readers before the values they read.
    pub(super) fn new(typed: &TypedGraph, options: &PlanOptions) -> Self {
        let preference =
            StoragePreference { typed, level: options.level, numerics: options.numerics };
        let node_count = typed.graph.nodes().len();
        let mut storage = Self {
            types: vec![Storage::FLOAT32; node_count],
            has_bf16_copy: vec![false; node_count],
            reads_bf16: HashSet::new(),
        };
        let mut read_as_float32 = vec![false; node_count];
        let mut read_as_bf16 = vec![false; node_count];
        for output in typed.graph.outputs() {
            read_as_float32[output.index()] = true;
        }
        for id in typed.graph.ids().rev() {
            let node = typed.graph.node(id);
            let only_bf16 = read_as_bf16[id.index()] && !read_as_float32[id.index()];
            let own = if only_bf16 && preference.can_write_bf16(id, node) {
                StorageType::Bf16
            } else {
                StorageType::Float32
            };
            let fact = typed.fact(id);
            storage.types[id.index()] = match fact.quantization {
                Some(_) => Storage::Integers(fact.dtype.size()),
                None => Storage::Real(own),
            };
            storage.has_bf16_copy[id.index()] =
                own == StorageType::Float32 && read_as_bf16[id.index()];
            for (i, &input) in node.inputs.iter().enumerate() {
                // A node that reads a value twice reads it as one type.
                if node.inputs[..i].contains(&input) {
                    continue;
                }
                match preference.for_input(id, node, i, own) {
                    StorageType::Float32 => read_as_float32[input.index()] = true,
                    StorageType::Bf16 => {
                        read_as_bf16[input.index()] = true;
                        storage.reads_bf16.insert((id, input));
                    }
                }
            }
        }
        storage
    }

    /// The storage type of a node's value.
    pub(super) fn get(&self, id: NodeId) -> Storage {
        self.types[id.index()]
    }

    /// True if a node's value is float32 and some reader prefers bf16.
    pub(super) fn has_bf16_copy(&self, id: NodeId) -> bool {
        self.has_bf16_copy[id.index()]
    }

    /// True if `reader` prefers its input as bf16.
    pub(super) fn reads_bf16(&self, reader: NodeId, input: NodeId) -> bool {
        self.reads_bf16.contains(&(reader, input))
    }
}
