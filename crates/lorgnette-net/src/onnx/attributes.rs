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
        let Some(values) = self.ints(name) else { return Ok([1, 1]) };
        let fits = |value: &i64| (1..=MAX_LENGTH).contains(value);
        match *values {
            [rows, columns] if values.iter().all(fits) => Ok([rows as usize, columns as usize]),
            _ => Err(format!("{name} of {values:?}, where two dimensions are known")),
        }
    }

    /// Integers for rows and columns, before and after or not, that are at least 0; all 0 if
    /// absent.
    pub(super) fn amounts<const N: usize>(self, name: &str) -> Result<[usize; N], String> {
        let Some(values) = self.ints(name) else { return Ok([0; N]) };
        let amount = |&value: &i64| (0..=MAX_LENGTH).contains(&value).then_some(value as usize);
        let amounts: Option<Vec<usize>> = values.iter().map(amount).collect();
        let amounts = amounts.and_then(|amounts| amounts.try_into().ok());
        amounts.ok_or_else(|| {
            format!("{name} of {values:?}, where {N} that are not negative are known")
        })
    }
}

/// The longest window, stride or padding: the same as of graphs.
const MAX_LENGTH: i64 = 1 << 20;
