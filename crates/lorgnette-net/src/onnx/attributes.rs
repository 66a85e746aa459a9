//! A node's attributes, by name.

use super::proto::{AttributeProto, NodeProto, TensorProto};

/// The attributes of one node. Those that are absent have the default that the operator set states.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a>(pub(super) &'a NodeProto);

impl<'a> Attributes<'a> {
    fn find(self, name: &str) -> Option<&'a AttributeProto> {
        self.0.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// Whether the node has the attribute.
    pub(super) fn has(self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(super) fn int(self, name: &str) -> Option<i64> {
        self.find(name)?.i
    }

    pub(super) fn flag(self, name: &str, default: bool) -> bool {
        self.int(name).map_or(default, |value| value != 0)
    }

    pub(super) fn float(self, name: &str, default: f32) -> f32 {
        self.find(name).and_then(|attribute| attribute.f).unwrap_or(default)
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.find(name)?.s.as_ref()?).ok()
    }

    pub(super) fn ints(self, name: &str) -> Option<&'a [i64]> {
        Some(self.find(name)?.ints.as_slice())
    }

    pub(super) fn floats(self, name: &str) -> Option<&'a [f32]> {
        Some(self.find(name)?.floats.as_slice())
    }

    pub(super) fn tensor(self, name: &str) -> Option<&'a TensorProto> {
        self.find(name)?.t.as_deref()
    }

    /// Two integers for rows and columns, each at least 1; `[1, 1]` if absent.
    pub(super) fn pair(self, name: &str) -> Result<[usize; 2], String> {
        match self.ints(name) {
            None => Ok([1, 1]),
            Some(&[rows, columns]) if rows > 0 && columns > 0 => {
                let length = |n: i64| usize::try_from(n).map_err(|_| format!("{name} of {n}"));
                Ok([length(rows)?, length(columns)?])
            }
            Some(other) => Err(format!("{name} of {other:?} where two dimensions are known")),
        }
    }
}
