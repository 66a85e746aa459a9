//! Layers models of TensorFlow.js: `model.json` with Keras's configuration and a list of weights,
//! whose bytes are in files beside it, as Teachable Machine exports them.
//!
//! ```text
//! model.json ─▶ modelTopology ─▶ Model (config)
//!            └▶ weightsManifest ─▶ weights.bin ─▶ tensors by name
//! ```

use std::path::{Component, Path};

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::config::{Model, parsed_bytes};
use super::weights::{NamedTensors, Weights};
use super::{Read, translate};
use crate::file::{MappedFile, map};
use crate::memory;
use crate::tensor::{DType, Tensor, elements};

/// The keys of `model.json`.
const TOPOLOGY: &str = "modelTopology";
const MANIFEST: &str = "weightsManifest";

/// Maximum bytes of a description, in which the keys are looked for.
const MAX_BYTES: usize = 64 << 20;

/// Returns true for the JSON of a TensorFlow.js model.
pub(super) fn is_model(bytes: &[u8]) -> bool {
    let is_text = bytes.trim_ascii_start().starts_with(b"{") && bytes.len() <= MAX_BYTES;
    is_text && [TOPOLOGY, MANIFEST].iter().all(|key| contains(bytes, key))
}

fn contains(text: &[u8], key: &str) -> bool {
    let quoted = format!("\"{key}\"");
    text.windows(quoted.len()).any(|part| part == quoted.as_bytes())
}

/// Reads a model whose weights are in the folder of `path`.
pub(super) fn read(file: &MappedFile, path: &Path) -> Read {
    let text = String::from_utf8_lossy(file.bytes());
    memory::check("the model's configuration", parsed_bytes(&text))
        .map_err(|error| error.to_string())?;
    let description: Value = serde_json::from_str(&text)
        .map_err(|error| format!("a TensorFlow.js model whose model.json is damaged: {error}"))?;
    let topology = &description[TOPOLOGY];
    if description["format"] == "graph-model" || topology.get("node").is_some() {
        return Err("a TensorFlow.js graph model, of which only layers models are read: convert \
                    the SavedModel or Keras model that it was made from"
            .into());
    }
    let config = topology.get("model_config").unwrap_or(topology);
    let version = topology["keras_version"].as_str().unwrap_or_default();
    let model = Model::parse(&config.to_string(), version)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut tensors = NamedTensors::new();
    let mut stored_bytes = 0_usize;
    for group in description[MANIFEST].as_array().map(Vec::as_slice).unwrap_or_default() {
        let content = content(group, folder)?;
        stored_bytes = stored_bytes.saturating_add(content.len());
        add_tensors(group, &content, &mut tensors)?;
    }
    let weights = Weights::of_names(tensors);
    translate::translate(&model, &weights, file.bytes().len().saturating_add(stored_bytes))
}

/// Returns the bytes of a group of weights, whose files follow one another.
fn content(group: &Value, folder: &Path) -> Result<Bytes, String> {
    let mut parts = Vec::new();
    for name in group["paths"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let name = name.as_str().unwrap_or_default();
        let is_inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        let is_inside = Path::new(name).components().all(is_inside);
        if name.is_empty() || !is_inside {
            return Err(format!("a TensorFlow.js model whose weights are in {name:?}"));
        }
        parts.push(map(&folder.join(name)).map_err(|error| {
            format!("a TensorFlow.js model, whose weights belong into its folder: {error}")
        })?);
    }
    if let [part] = parts.as_slice() {
        return Ok(part.clone());
    }
    let length: usize = parts.iter().map(Bytes::len).sum();
    memory::check("the weights", length as u64).map_err(|error| error.to_string())?;
    let mut all = BytesMut::with_capacity(length);
    parts.iter().for_each(|part| all.extend_from_slice(part));
    Ok(all.freeze())
}

/// Adds the tensors of a group.
fn add_tensors(group: &Value, content: &Bytes, tensors: &mut NamedTensors) -> Result<(), String> {
    let mut position = 0_usize;
    for weight in group["weights"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let name = weight["name"].as_str().unwrap_or_default();
        let damaged = |what: &str| format!("the weight '{name}' {what}");
        let shape: Option<Vec<usize>> = weight["shape"].as_array().and_then(|shape| {
            shape.iter().map(|length| usize::try_from(length.as_u64()?).ok()).collect()
        });
        let shape = shape.ok_or_else(|| damaged("has no shape"))?;
        let stored = Stored::of(weight).ok_or_else(|| damaged("is of a kind that is not read"))?;
        let bytes = elements(&shape).and_then(|count| count.checked_mul(stored.element_bytes()));
        let end = bytes.and_then(|bytes| position.checked_add(bytes));
        let end = end.filter(|&end| end <= content.len()).ok_or_else(|| {
            damaged("is longer than its file: the weights are of another model, or cut off")
        })?;
        if let Some(tensor) = stored.tensor(shape, content.slice(position..end))? {
            tensors.insert(name.to_owned(), tensor);
        }
        position = end;
    }
    Ok(())
}

/// The way in which a weight is stored.
enum Stored {
    /// As the numbers themselves; `None` for those that no layer of pictures takes.
    Numbers { dtype: Option<DType>, element_bytes: usize },
    /// As integers: `scale` times the integer, plus `min`.
    Quantised { is_wide: bool, scale: f32, min: f32 },
}

impl Stored {
    /// Reads a weight's description; `None` if it is not known.
    fn of(weight: &Value) -> Option<Self> {
        let numbers = |dtype, element_bytes| Some(Self::Numbers { dtype, element_bytes });
        let quantization = &weight["quantization"];
        if !quantization.is_null() {
            let number = |name: &str| Some(quantization.get(name)?.as_f64()? as f32);
            let is_wide = match quantization["dtype"].as_str()? {
                "float16" => return numbers(Some(DType::F16), 2),
                "uint16" => true,
                "uint8" => false,
                _ => return None,
            };
            return Some(Self::Quantised { is_wide, scale: number("scale")?, min: number("min")? });
        }
        match weight["dtype"].as_str()? {
            "float32" => numbers(Some(DType::F32), 4),
            "int32" => numbers(None, 4),
            "bool" => numbers(None, 1),
            _ => None,
        }
    }

    fn element_bytes(&self) -> usize {
        match self {
            Self::Numbers { element_bytes, .. } => *element_bytes,
            Self::Quantised { is_wide, .. } => 1 + usize::from(*is_wide),
        }
    }

    /// Returns the tensor of `bytes`; `None` if no layer takes it.
    fn tensor(&self, shape: Vec<usize>, bytes: Bytes) -> Result<Option<Tensor>, String> {
        match *self {
            Self::Numbers { dtype, .. } => {
                Ok(dtype.and_then(|dtype| Tensor::from_shared(dtype, shape, bytes)))
            }
            Self::Quantised { is_wide, scale, min } => {
                memory::check("a quantised weight", 4 * bytes.len() as u64)
                    .map_err(|error| error.to_string())?;
                let real = |integer: u16| f32::from(integer) * scale + min;
                let values = match is_wide {
                    true => {
                        let pairs = bytes.chunks_exact(2);
                        pairs.map(|pair| real(u16::from_le_bytes([pair[0], pair[1]]))).collect()
                    }
                    false => bytes.iter().map(|&byte| real(u16::from(byte))).collect(),
                };
                Ok(Some(Tensor::from_f32(&shape, values)))
            }
        }
    }
}
