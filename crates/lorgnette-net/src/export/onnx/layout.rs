//! The names of a value in each layout: TensorFlow's ("plain"), and channels first for maps.

use super::emit::{Setting, node};
use super::translation::{Names, Translation};
use super::weights::{Content, Weights};
use crate::graph::{NodeId, TensorOrLazy};

/// The permutation from `[batch, rows, columns, channels]` to `[batch, channels, rows, columns]`
/// (dimension `d` of the result is dimension `TO_FIRST[d]`), and its inverse.
pub(super) const TO_FIRST: [usize; 4] = [0, 3, 1, 2];
const TO_LAST: [usize; 4] = [0, 2, 3, 1];

impl Translation<'_> {
    /// Returns the name of a value in TensorFlow's layout, transposing it if necessary.
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

    /// Returns the name of a value of four dimensions, channels first, transposing it if necessary.
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

    /// Returns true if a value has four dimensions, so that it may be channels first.
    pub(super) fn is_map(&self, id: NodeId) -> bool {
        self.shape(id).len() == 4
    }

    /// Returns true if a value exists channels first.
    pub(super) fn is_first(&self, id: NodeId) -> bool {
        self.names[id.index()].first.is_some()
    }

    /// Returns the name of a value in its present layout, and whether that is channels first.
    pub(super) fn as_is(&mut self, id: NodeId) -> (bool, String) {
        if self.is_first(id) { (true, self.first(id)) } else { (false, self.plain(id)) }
    }

    /// Returns a name of the value whose elements are in TensorFlow's order. For maps of one pixel,
    /// either layout has it.
    pub(super) fn elements(&mut self, id: NodeId) -> String {
        match *self.shape(id) {
            [_, 1, 1, _] if self.is_first(id) => self.first(id),
            _ => self.plain(id),
        }
    }

    fn turn(&mut self, from: String, to: &str, order: [usize; 4]) {
        let order = order.iter().map(|&d| d as i64).collect();
        self.emit(node("Transpose", vec![from], to, vec![("perm", Setting::Integers(order))]));
    }

    /// Adds a constant of the network, transposed if `order` is given.
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
