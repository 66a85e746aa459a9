//! Where a model takes its picture and where its answers are.

use super::translate::translate;
use super::{CHANNELS_LAST, Input, OnnxModel};
use crate::error::{Choice, Error, Result};
use crate::import::{InputCandidate, Signature};

/// Operators between a classification layer and the answer.
const PASSES_SCORES_ON: &[&str] =
    &["Identity", "Reshape", "Squeeze", "Flatten", "Cast", "QuantizeLinear", "DequantizeLinear"];
/// Operators between the pooled activations and the classification layer.
const PASSES_FEATURES_ON: &[&str] = &["Identity", "Reshape", "Squeeze", "Flatten", "Dropout"];

impl OnnxModel {
    /// Finds the ports of a classification network. `input` and `output` name them where the caller
    /// knows better. Pictures go in, and values of four dimensions come out, with their channels
    /// last.
    ///
    /// # Errors
    /// [`Error::Ambiguous`] with the candidates where the model does not make it clear,
    /// [`Error::Unknown`] for a name that is not there.
    pub(crate) fn signature(&self, input: Option<&str>, output: Option<&str>) -> Result<Signature> {
        if let (None, None, Some(signature)) = (input, output, self.signature.get()) {
            return Ok(signature.clone());
        }
        let signature = self.find_ports(input, output)?;
        if input.is_none() && output.is_none() {
            let _ = self.signature.set(signature.clone());
        }
        Ok(signature)
    }

    fn find_ports(&self, input: Option<&str>, output: Option<&str>) -> Result<Signature> {
        let end = match output {
            Some(name) => self.find(name)?.0,
            None => self.answer()?,
        };
        let softmax = self.back_to(end, |op| matches!(op, "Softmax" | "Sigmoid"), PASSES_SCORES_ON);
        let logits = softmax.and_then(|softmax| self.first_input(softmax)).unwrap_or(end);
        let input = self.picture_input(input)?;
        Ok(Signature {
            input,
            logits: self.port_name(logits)?,
            probabilities: match softmax {
                Some(_) => Some(self.port_name(end)?),
                None => None,
            },
            features: self.features(logits).map(|name| self.port_name(name)).transpose()?,
            chooses_class: false,
            bounded_by: None,
        })
    }

    /// A value's name, with channels last if it has four dimensions.
    fn port_name(&self, value: &str) -> Result<String> {
        let translated = translate(self, &[], &[], &[value])?;
        let is_picture = translated.shapes.first().is_some_and(|shape| shape.len() == 4);
        Ok(if is_picture { format!("{value}/{CHANNELS_LAST}") } else { value.to_owned() })
    }

    /// The one output, or of several the one that a softmax leads to.
    fn answer(&self) -> Result<&str> {
        let ends: Vec<&str> = self.outputs.iter().map(String::as_str).collect();
        let is_softmax =
            |end: &&str| self.back_to(end, |op| op == "Softmax", PASSES_SCORES_ON).is_some();
        let of_softmax: Vec<&str> = ends.iter().copied().filter(is_softmax).collect();
        match (&ends[..], &of_softmax[..]) {
            (&[one], _) | (_, &[one]) => Ok(one),
            _ => Err(Error::Ambiguous {
                choice: Choice::Output,
                what: "the model has several outputs".into(),
                candidates: self.outputs.clone(),
            }),
        }
    }

    fn picture_input(&self, named: Option<&str>) -> Result<InputCandidate> {
        if let Some(name) = named {
            let (value, channels_last) = self.find(name)?;
            if let Some(input) = self.input(value) {
                return Ok(candidate(input));
            }
            let name =
                if channels_last { name.to_owned() } else { format!("{value}/{CHANNELS_LAST}") };
            let dtype = crate::tensor::DType::F32;
            return Ok(InputCandidate {
                name,
                dtype,
                shape: None,
                takes_decoded_image: false,
                quantization: None,
            });
        }
        let takes_pictures =
            |input: &&Input| input.shape.as_ref().is_some_and(|shape| shape.len() == 4);
        let inputs: Vec<&Input> = self.inputs.iter().filter(takes_pictures).collect();
        match inputs[..] {
            [one] => Ok(candidate(one)),
            [] if self.inputs.is_empty() => Err(Error::Input("the model has no input".into())),
            _ => Err(Error::Ambiguous {
                choice: Choice::Input,
                what: "it is not clear which input takes the picture".into(),
                candidates: self.inputs.iter().map(|input| input.name.clone()).collect(),
            }),
        }
    }

    fn first_input(&self, value: &str) -> Option<&str> {
        let node = &self.nodes[*self.producers.get(value)?];
        node.input.first().map(String::as_str)
    }

    /// Walks from `value` through first inputs as long as the operator is one of `through`, up to
    /// one that is `wanted`.
    fn back_to<'a>(
        &'a self,
        mut value: &'a str,
        wanted: impl Fn(&str) -> bool,
        through: &[&str],
    ) -> Option<&'a str> {
        const MAX_STEPS: usize = 32;
        for _ in 0..MAX_STEPS {
            let node = &self.nodes[*self.producers.get(value)?];
            if wanted(&node.op_type) {
                return Some(value);
            }
            if !through.contains(&node.op_type.as_str()) {
                return None;
            }
            value = node.input.first()?;
        }
        None
    }

    /// The pooled activations that the last convolution or matrix product before the logits reads.
    fn features<'a>(&'a self, logits: &'a str) -> Option<&'a str> {
        let passes = [PASSES_SCORES_ON, &["Add", "GlobalAveragePool", "ReduceMean"]].concat();
        let is_layer = |op: &str| matches!(op, "Conv" | "Gemm" | "MatMul");
        let input = self.first_input(self.back_to(logits, is_layer, &passes)?)?;
        let is_other = |op: &str| !PASSES_FEATURES_ON.contains(&op);
        Some(self.back_to(input, is_other, PASSES_FEATURES_ON).unwrap_or(input))
    }
}

fn candidate(input: &Input) -> InputCandidate {
    let (name, shape) = match input.channels_first {
        true => (format!("{}/{CHANNELS_LAST}", input.name), input.channels_last_shape()),
        false => (input.name.clone(), input.shape.clone()),
    };
    // TensorFlow's graphs leave the batch open.
    let shape = shape.map(|mut shape| {
        shape.iter_mut().take(1).for_each(|batch| *batch = None);
        shape
    });
    InputCandidate {
        name,
        dtype: input.dtype,
        shape,
        takes_decoded_image: false,
        quantization: None,
    }
}
