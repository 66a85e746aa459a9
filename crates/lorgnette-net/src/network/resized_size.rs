//! The size to which a graph itself brings pictures, and that which its last pool is made for.

use super::Network;
use crate::graph::shape::TypedGraph;
use crate::graph::{NodeId, Op};
use crate::source::node_name;

/// Two sizes of pictures, larger than networks take and of other shapes than one another.
const PROBES: [Size; 2] = [Size { rows: 1613, columns: 1811 }, Size { rows: 2021, columns: 1769 }];

/// Rows and columns of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    rows: usize,
    columns: usize,
}

impl Network {
    /// Returns rows and columns of a picture where the first layers of a graph read it, if the
    /// graph brings pictures of any size to that one: it resizes, crops or pads them. `None` if
    /// the size at the layers is that of the picture or follows from it, and for a network of the
    /// zoo.
    pub fn resized_size(&self) -> Option<[usize; 2]> {
        if self.net().is_some() {
            return None;
        }
        let [first, second] = PROBES.map(|size| self.size_at_layers(size));
        first.filter(|_| first == second).map(|size| [size.rows, size.columns])
    }

    /// Returns whether the last pool that leaves one value of each channel covers just the map that
    /// it reads, when pictures have `side` rows and columns; a network that was trained with
    /// another side has a pool of another size. `None` if there is no such pool, or no picture of
    /// that side can be fed.
    pub fn last_pool_covers_its_map(&self, side: usize) -> Option<bool> {
        let signature = self.signature().ok()?;
        let typed = self.typed(&signature, &[&signature.logits], 1, [side, side]).ok()?;
        let pools = typed.graph.iter().filter_map(|(id, node)| {
            let Op::Pool(pool) = &node.op else { return None };
            let is_last = matches!(*typed.fact(id).shape, [_, 1, 1, _]);
            match *typed.fact(*node.inputs.first()?).shape {
                [_, rows, columns, _] if is_last => Some(pool.kernel == [rows, columns]),
                _ => None,
            }
        });
        pools.last()
    }

    fn size_at_layers(&self, size: Size) -> Option<Size> {
        let signature = self.signature().ok()?;
        let typed =
            self.typed(&signature, &[&signature.logits], 1, [size.rows, size.columns]).ok()?;
        let name = node_name(&signature.input.name);
        let input = typed.graph.ids().find(|&id| {
            let node = typed.graph.node(id);
            matches!(node.op, Op::Input { .. }) && node.name == name
        });
        first_layers_size(&typed, input?)
    }
}

/// Returns the size of the picture that the first layers read; `None` if they read several.
fn first_layers_size(typed: &TypedGraph, input: NodeId) -> Option<Size> {
    // For each value between the input and the layers, the size of the picture that it is of.
    let mut sizes: Vec<Option<Size>> = vec![None; typed.graph.nodes().len()];
    let mut found = None;
    for (id, node) in typed.graph.iter() {
        let read = node.inputs.iter().find_map(|input| sizes[input.index()]);
        if read.is_none() && id != input {
            continue;
        }
        if !is_layer(&node.op) {
            sizes[id.index()] = picture_size(&typed.fact(id).shape).or(read);
        } else if found.is_some() && found != read {
            return None;
        } else {
            found = read;
        }
    }
    found
}

fn picture_size(shape: &[usize]) -> Option<Size> {
    match *shape {
        [_, rows, columns, 1 | 3 | 4] | [rows, columns, 1 | 3 | 4] => Some(Size { rows, columns }),
        _ => None,
    }
}

fn is_layer(op: &Op) -> bool {
    matches!(
        op,
        Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::MatMul(_) | Op::Pool(_) | Op::Quantized(_)
    )
}
