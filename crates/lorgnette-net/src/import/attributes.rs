//! A node's attributes by name and type. Attributes that are not read do not matter.

use crate::proto::{ListValue, NodeDef, TensorProto, Value};
use crate::tensor::DType;

/// The attributes of one node.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a>(pub(super) &'a NodeDef);

impl<'a> Attributes<'a> {
    fn value(self, name: &str) -> Option<&'a Value> {
        self.0.attr.get(name)?.value.as_ref()
    }

    pub(super) fn float(self, name: &str) -> Option<f32> {
        if let Some(Value::F(v)) = self.value(name) { Some(*v) } else { None }
    }

    pub(super) fn int(self, name: &str) -> Option<i64> {
        if let Some(Value::I(v)) = self.value(name) { Some(*v) } else { None }
    }

    /// Returns a flag; false if absent.
    pub(super) fn flag(self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::B(true)))
    }

    /// Returns true for a flag that is given and false.
    pub(super) fn is_off(self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::B(false)))
    }

    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        if let Some(Value::S(v)) = self.value(name) { std::str::from_utf8(v).ok() } else { None }
    }

    fn list(self, name: &str) -> Option<&'a ListValue> {
        if let Some(Value::List(list)) = self.value(name) { Some(list) } else { None }
    }

    /// Returns a list of integers; empty if absent.
    pub(super) fn ints(self, name: &str) -> &'a [i64] {
        self.list(name).map_or(&[], |list| &list.i)
    }

    /// Returns a list of floats; empty if absent.
    pub(super) fn floats(self, name: &str) -> &'a [f32] {
        self.list(name).map_or(&[], |list| &list.f)
    }

    /// Returns a list of strings; empty if absent.
    pub(super) fn texts(self, name: &str) -> Vec<&'a str> {
        self.list(name).map_or(Vec::new(), |list| {
            list.s.iter().filter_map(|s| std::str::from_utf8(s).ok()).collect()
        })
    }

    pub(super) fn dtype(self, name: &str) -> Option<DType> {
        if let Some(Value::Type(number)) = self.value(name) {
            DType::from_tensorflow(*number)
        } else {
            None
        }
    }

    pub(super) fn tensor(self, name: &str) -> Option<&'a TensorProto> {
        if let Some(Value::Tensor(tensor)) = self.value(name) { Some(tensor) } else { None }
    }

    /// Returns a shape with `None` for unknown dimensions; `None` if the rank is unknown.
    pub(super) fn shape(self, name: &str) -> Option<Vec<Option<usize>>> {
        match self.value(name) {
            Some(Value::Shape(shape)) if !shape.unknown_rank => {
                Some(shape.dim.iter().map(|dim| usize::try_from(dim.size).ok()).collect())
            }
            _ => None,
        }
    }

    /// Returns the two spatial entries of a list of four such as `strides`, in the node's data
    /// format; 1, 1 if absent.
    pub(super) fn spatial(self, name: &str) -> Result<[usize; 2], String> {
        let list = self.ints(name);
        let (outer, pair) = match (list, self.is_nchw()) {
            ([], _) => return Ok([1, 1]),
            (&[n, c, y, x], true) | (&[n, y, x, c], false) => ([n, c], [y, x]),
            _ => return Err(format!("{name} {list:?} has not four numbers")),
        };
        match (outer, pair.map(usize::try_from)) {
            ([1, 1], [Ok(y), Ok(x)]) if y > 0 && x > 0 => Ok([y, x]),
            _ => Err(format!("{name} {list:?}")),
        }
    }

    /// Returns true if images are stored channels first.
    pub(super) fn is_nchw(self) -> bool {
        self.text("data_format") == Some("NCHW")
    }
}
