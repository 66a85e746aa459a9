//! Which names a value has: as TensorFlow has it ("plain"), and for maps channels first too.

use super::emit::{Setting, node};
use super::translate::Translation;
use super::weights::{Content, Weights};
use crate::graph::{NodeId, TensorOrLazy};

/// `[batch, rows, columns, channels]` as `[batch, channels, rows, columns]`: dimension `d` of the
/// latter is dimension `TO_FIRST[d]` of the former; and back.
pub(super) const TO_FIRST: [usize; 4] = [0, 3, 1, 2];
const TO_LAST: [usize; 4] = [0, 2, 3, 1];

/// The names of a value; none until it is computed, or asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) plain: Option<String>,
    /// Of four dimensions, channels before rows and columns.
    pub(super) first: Option<String>,
}

impl Translation<'_> {
    /// The name of a value as TensorFlow has it.
    pub(super) fn plain(&mut self, id: NodeId) -> String {
        let Names { plain, first } = self.names[id.index()].clone();
        let name = self.name(id);
        let plain = match (plain, first) {
            (Some(plain), _) => return plain,
            (None, Some(first)) => {
                self.turn(first, &name, TO_LAST);
                name
            }
            (None, None) => self.constant(id, &name, None),
        };
        self.names[id.index()].plain = Some(plain.clone());
        plain
    }

    /// The name of a value of four dimensions, channels first.
    pub(super) fn first(&mut self, id: NodeId) -> String {
        let Names { plain, first } = self.names[id.index()].clone();
        let name = self.first_name(id);
        let first = match (plain, first) {
            (_, Some(first)) => return first,
            (Some(plain), None) => {
                self.turn(plain, &name, TO_FIRST);
                name
            }
            (None, None) => self.constant(id, &name, Some(&TO_FIRST)),
        };
        self.names[id.index()].first = Some(first.clone());
        first
    }

    /// Whether a value has four dimensions, and so may have its channels first.
    pub(super) fn is_map(&self, id: NodeId) -> bool {
        self.shape(id).len() == 4
    }

    /// Whether a value is there channels first, so that it costs nothing to go on like that.
    pub(super) fn is_first(&self, id: NodeId) -> bool {
        self.names[id.index()].first.is_some()
    }

    /// A name of the value whose elements lie as TensorFlow's do, whatever the dimensions: of a map
    /// of one place, either.
    pub(super) fn elements(&mut self, id: NodeId) -> String {
        match *self.shape(id) {
            [_, 1, 1, _] if self.is_first(id) => self.first(id),
            _ => self.plain(id),
        }
    }

    /// What the result of a node is called channels first.
    pub(super) fn first_name(&self, id: NodeId) -> String {
        format!("{}/NCHW", self.name(id))
    }

    fn turn(&mut self, from: String, to: &str, order: [usize; 4]) {
        let order = order.iter().map(|&d| d as i64).collect();
        self.emit(node("Transpose", vec![from], to, vec![("perm", Setting::Integers(order))]));
    }

    /// Adds a constant of the network's, in another order if one is given.
    fn constant(&mut self, id: NodeId, name: &str, order: Option<&[usize]>) -> String {
        let value = TensorOrLazy::from_op(&self.node(id).op)
            .expect("only constants have no name yet: inputs come before readers");
        let shape = value.shape().to_vec();
        let order = order.map_or_else(|| (0..shape.len()).collect(), <[usize]>::to_vec);
        let shape = order.iter().map(|&d| shape[d]).collect();
        let content = Content::Turned { value, order, scale: None };
        self.weights.push(Weights { name: name.to_owned(), shape, content });
        name.to_owned()
    }
}
