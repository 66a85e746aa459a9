//! The ranges of fake quantisations, as quantisation-aware training left them in a graph.

use super::GraphDef;
use super::attributes::Attributes;
use crate::proto::NodeDef;
use crate::tensor::Tensor;

/// A range that numbers are limited to and rounded within, to one of 8 bits' steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TrainedRange {
    pub(crate) low: f32,
    pub(crate) high: f32,
    /// Whether there are 254 steps, without the lowest, as weights have them.
    pub(crate) is_narrow: bool,
}

impl GraphDef {
    /// Returns the range of the fake quantisation of that name.
    ///
    /// # Errors
    /// The reason why TensorFlow Lite has no integers for it.
    pub(crate) fn trained_range(&self, name: &str) -> Result<TrainedRange, String> {
        let node = self.node(name).ok_or("there is no such node")?;
        let attributes = Attributes(node);
        let bits = attributes.int("num_bits").unwrap_or(8);
        if bits != 8 {
            return Err(format!("it was trained for {bits} bits"));
        }
        let (low, high) = match node.op.as_str() {
            "FakeQuantWithMinMaxArgs" => {
                (attributes.float("min").unwrap_or(-6.0), attributes.float("max").unwrap_or(6.0))
            }
            "FakeQuantWithMinMaxVars" => (self.number(node, 1)?, self.number(node, 2)?),
            _ => return Err("it has a range for each channel: calibrate with photos".into()),
        };
        if !(low.is_finite() && high.is_finite() && low <= 0.0 && high >= 0.0 && low < high) {
            return Err(format!("its range from {low} to {high} does not hold zero"));
        }
        Ok(TrainedRange { low, high, is_narrow: attributes.flag("narrow_range") })
    }

    /// Returns the number that an input of a node is, behind identities.
    fn number(&self, node: &NodeDef, input: usize) -> Result<f32, String> {
        const MAX_STEPS: usize = 8;
        let mut name = node.input.get(input).ok_or("it has no range")?;
        for _ in 0..MAX_STEPS {
            let bare = name.strip_suffix(":0").unwrap_or(name);
            let node = self.node(bare).ok_or("its range is not in the graph")?;
            let stored = self.variable(node).and_then(Result::ok);
            let value = stored.and_then(|stored| stored.tensor().ok());
            if let Some(value) = value.or_else(|| self.constant(node)) {
                return single(&value).ok_or_else(|| "its range is no number".into());
            }
            name = node.input.first().ok_or("its range is computed, not constant")?;
        }
        Err("its range is computed, not constant".into())
    }

    fn node(&self, name: &str) -> Option<&NodeDef> {
        self.by_name.get(name).map(|&index| &self.nodes[index])
    }
}

fn single(value: &Tensor) -> Option<f32> {
    match value.to_f32()[..] {
        [number] => Some(number),
        _ => None,
    }
}
