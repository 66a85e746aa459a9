//! From layers to nodes of TensorFlow.
//!
//! Nodes have their layer's name as scope. Weights are constants, once for a layer however often it
//! is used.

use std::collections::{BTreeSet, HashMap, HashSet};

use prost::Message as _;
use serde_json::Value;

use super::config::{Argument, Call, KerasVersion, Layer, Model, TensorRef};
use super::layer::{self, Refusal};
use super::weights::{LayerPlace, Weights};
use crate::import::Interface;
use crate::proto::attribute::REFUSED;
use crate::proto::{
    AttrValue, Dim, ListValue, NodeDef, TensorProto, TensorShapeProto, Value as Attribute,
};
use crate::tensor::{DType, Tensor};

/// The nodes of a model, and the names of its inputs and outputs.
pub(super) type Translated = (Vec<NodeDef>, Interface);

/// The maximum depth of models within models.
const MAX_DEPTH: usize = 16;

/// Translates a model. Nodes take at most 4 MiB and 16 times `file_bytes`, the contents of weights
/// not counted.
///
/// # Errors
/// If layers are not connected, weights are missing or damaged, or there are too many nodes.
pub(super) fn translate(
    model: &Model,
    weights: &Weights<'_>,
    file_bytes: usize,
) -> Result<Translated, String> {
    let mut translator = Translator {
        weights,
        nodes: Vec::new(),
        names: HashSet::new(),
        scopes: HashSet::new(),
        weight_nodes: HashMap::new(),
        interface: Interface::default(),
        budget: file_bytes.saturating_mul(16).saturating_add(4 << 20),
        version: model.version,
    };
    let scope = ModelScope { outer: None, prefix: String::new(), path: String::new() };
    let outputs = translator.model(model, &scope, None, 0)?;
    translator.interface.outputs = outputs.into_iter().map(|output| output.name).collect();
    Ok((translator.nodes, translator.interface))
}

/// Gives the shape of a variable as the graph has it; `None` if it has none.
pub(super) type Reshape<'f> = &'f dyn Fn(&[usize]) -> Option<Vec<usize>>;

/// A value in the graph that is being made.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The node's name.
    pub(super) name: String,
    /// The number of dimensions, the batch among them.
    pub(super) rank: usize,
}

/// Where a model is.
#[derive(Clone)]
struct ModelScope {
    /// The layer of the outermost model that this one is, or is within.
    outer: Option<String>,
    /// Beginning of the names of nodes.
    prefix: String,
    /// The path of its weights.
    path: String,
}

pub(super) struct Translator<'w> {
    weights: &'w Weights<'w>,
    nodes: Vec<NodeDef>,
    names: HashSet<String>,
    scopes: HashSet<String>,
    /// The nodes of weights that are there already.
    weight_nodes: HashMap<(LayerPlace, usize), Node>,
    interface: Interface,
    /// Bytes that nodes may still take.
    budget: usize,
    pub(super) version: KerasVersion,
}

/// One use of a layer.
struct LayerUse<'m> {
    layer: &'m Layer,
    call: &'m Call,
    place: &'m LayerPlace,
}

/// One use of a layer that is being translated.
pub(super) struct Site<'t, 'w> {
    pub(super) translator: &'t mut Translator<'w>,
    pub(super) layer: &'t Layer,
    pub(super) call: &'t Call,
    /// The tensors among the arguments.
    pub(super) inputs: Vec<Node>,
    /// Whether pictures whose channels came first are turned already.
    pub(super) is_channels_last: bool,
    place: LayerPlace,
    /// Beginning of the names of its nodes.
    scope: String,
}

impl<'w> Translator<'w> {
    /// Adds the nodes of a model and returns its outputs. `inputs` are those of a model within
    /// another.
    fn model(
        &mut self,
        model: &Model,
        scope: &ModelScope,
        inputs: Option<&[Node]>,
        depth: usize,
    ) -> Result<Vec<Node>, String> {
        if depth >= MAX_DEPTH {
            return Err("models within models are too deep".into());
        }
        let places = places(model, scope);
        let mut values: HashMap<TensorRef, Node> = HashMap::new();
        for (index, number) in order(model)? {
            let layer = &model.layers[index];
            let (first, outputs) = if layer.class == "InputLayer" {
                (0, vec![self.model_input(model, layer, inputs)?])
            } else {
                let call = &layer.calls[number];
                let inputs = arguments(call, &values, &layer.name)?;
                let outputs = match &layer.model {
                    Some(inner) => {
                        let within = self.within(layer, &places[index], scope);
                        self.model(inner, &within, Some(&inputs), depth + 1)?
                    }
                    None => {
                        let used = LayerUse { layer, call, place: &places[index] };
                        vec![self.layer(&used, &inputs, scope)?]
                    }
                };
                (model.first_call(layer), outputs)
            };
            // Layers of the outermost model can be fetched by their names.
            if let (None, Some(output)) = (&scope.outer, outputs.first()) {
                self.interface.aliases.insert(layer.name.clone(), output.name.clone());
            }
            for (output, node) in outputs.into_iter().enumerate() {
                let layer = layer.name.clone();
                values.insert(TensorRef { layer, call: number + first, output }, node);
            }
        }
        let output = |reference: &TensorRef| {
            let missing = || format!("the output '{}' is not connected", reference.layer);
            values.get(reference).cloned().ok_or_else(missing)
        };
        model.outputs.iter().map(output).collect()
    }

    /// Returns an input of a model: a placeholder, or the tensor that a model within another is
    /// given.
    fn model_input(
        &mut self,
        model: &Model,
        layer: &Layer,
        inputs: Option<&[Node]>,
    ) -> Result<Node, String> {
        let Some(inputs) = inputs else { return self.input(layer) };
        let position = model.inputs.iter().position(|input| input.layer == layer.name);
        let input = position.and_then(|position| inputs.get(position)).cloned();
        input.ok_or_else(|| format!("the model '{}' lacks an input", model.name))
    }

    fn within(&mut self, layer: &Layer, place: &LayerPlace, scope: &ModelScope) -> ModelScope {
        let name = self.fresh_scope(&format!("{}{}", scope.prefix, layer.name));
        ModelScope {
            outer: Some(place.outer.clone()),
            prefix: format!("{name}/"),
            path: format!("{}/", place.path),
        }
    }

    fn input(&mut self, layer: &Layer) -> Result<Node, String> {
        let shape = ["batch_shape", "batch_input_shape"]
            .iter()
            .find_map(|name| layer.config.get(*name)?.as_array());
        let shape = shape.ok_or_else(|| {
            format!("the input '{}' has no shape: the model was never built", layer.name)
        })?;
        let dims: Vec<i64> =
            shape.iter().map(|length| length.as_i64().filter(|&n| n >= 0).unwrap_or(-1)).collect();
        let dtype = layer.config.get("dtype").and_then(Value::as_str).unwrap_or("float32");
        let dtype = match dtype {
            "uint8" => DType::U8,
            "int32" => DType::I32,
            "int64" => DType::I64,
            _ => DType::F32,
        };
        let rank = dims.len();
        let attributes =
            vec![("dtype", Attribute::Type(dtype.tensorflow())), ("shape", shape_value(&dims))];
        let name = self.fresh(&layer.name);
        self.interface.inputs.push(name.clone());
        self.interface.aliases.insert(layer.name.clone(), name.clone());
        self.add(&name, "Placeholder", &[], attributes)?;
        let input = Node { name, rank };
        if dtype == DType::F32 {
            return Ok(input);
        }
        // Layers compute in float32.
        let cast = self.fresh(&format!("{}/Cast", layer.name));
        let attributes = vec![
            ("SrcT", Attribute::Type(dtype.tensorflow())),
            ("DstT", Attribute::Type(DType::F32.tensorflow())),
        ];
        self.add(&cast, "Cast", &[&input], attributes)?;
        Ok(Node { name: cast, rank })
    }

    fn layer(
        &mut self,
        used: &LayerUse<'_>,
        inputs: &[Node],
        scope: &ModelScope,
    ) -> Result<Node, String> {
        let LayerUse { layer, call, place } = *used;
        let before = self.nodes.len();
        let name = self.fresh_scope(&format!("{}{}", scope.prefix, layer.name));
        let mut site = Site {
            translator: self,
            layer,
            call,
            inputs: inputs.to_owned(),
            is_channels_last: false,
            place: place.clone(),
            scope: name.clone(),
        };
        match layer::translate(&mut site) {
            Ok(output) => Ok(output),
            Err(Refusal::Damaged(what)) => Err(what),
            Err(Refusal::Unsupported(reason)) => {
                self.nodes.truncate(before);
                // A node that was added may be a weight's.
                self.weight_nodes.retain(|(place_of, _), _| place_of != place);
                let rank = inputs.first().map_or(1, |input| input.rank);
                let reason = Attribute::S(reason.into_bytes().into());
                let reads: Vec<&Node> = inputs.iter().collect();
                let refused = self.fresh(&format!("{name}/{}", layer.class));
                self.add(&refused, &layer.class, &reads, vec![(REFUSED, reason)])?;
                Ok(Node { name: refused, rank })
            }
        }
    }

    /// Returns a name that no node has.
    fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        name
    }

    /// Returns a scope that no layer's use has.
    fn fresh_scope(&mut self, wanted: &str) -> String {
        let mut scope = wanted.to_owned();
        let mut number = 1;
        while !self.scopes.insert(scope.clone()) {
            scope = format!("{wanted}_{number}");
            number += 1;
        }
        scope
    }

    fn add(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&Node],
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Result<(), String> {
        let attr = attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), AttrValue { value: Some(value) }));
        let node = NodeDef {
            name: name.to_owned(),
            op: op.to_owned(),
            input: inputs.iter().map(|input| input.name.clone()).collect(),
            device: String::new(),
            attr: attr.collect(),
        };
        let content = match node.attr.get("value").and_then(|value| value.value.as_ref()) {
            Some(Attribute::Tensor(tensor)) => tensor.tensor_content.len(),
            _ => 0,
        };
        let size = node.encoded_len() - content;
        self.budget = self
            .budget
            .checked_sub(size)
            .ok_or("its layers use one another too often for a file of this size")?;
        self.nodes.push(node);
        Ok(())
    }

    fn constant(&mut self, name: &str, tensor: &Tensor) -> Result<Node, String> {
        let name = self.fresh(name);
        let dims: Vec<i64> = tensor.shape().iter().map(|&length| length as i64).collect();
        let dtype = tensor.dtype().tensorflow();
        let value = TensorProto {
            dtype,
            tensor_shape: Some(shape_proto(&dims)),
            tensor_content: tensor.shared_bytes().clone(),
            ..TensorProto::default()
        };
        let attributes =
            vec![("dtype", Attribute::Type(dtype)), ("value", Attribute::Tensor(Box::new(value)))];
        self.add(&name, "Const", &[], attributes)?;
        Ok(Node { name, rank: dims.len() })
    }
}

/// Returns the place of each layer's weights. Paths count the layers of a class.
fn places(model: &Model, scope: &ModelScope) -> Vec<LayerPlace> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut places = Vec::with_capacity(model.layers.len());
    let longer = names_by_ending(model);
    for layer in &model.layers {
        let class = snake_case(&layer.class);
        let mut path = format!("{}layers/{class}", scope.path);
        // The input of a Sequential model is none of its layers.
        let is_own_input = model.is_sequential && layer.class == "InputLayer";
        if !layer.is_function && !is_own_input {
            let count = counts.entry(class).or_insert(0);
            if *count > 0 {
                path += &format!("_{count}");
            }
            *count += 1;
        }
        places.push(LayerPlace {
            outer: scope.outer.clone().unwrap_or_else(|| layer.name.clone()),
            name: layer.name.clone(),
            is_nested: scope.outer.is_some(),
            path,
            longer_names: longer.get(layer.name.as_str()).cloned().unwrap_or_default(),
        });
    }
    places
}

/// Returns, for each ending of a layer's name after a slash, the names that end so.
fn names_by_ending(model: &Model) -> HashMap<&str, Vec<String>> {
    /// Slashes of a name that are looked at.
    const MAX_SLASHES: usize = 64;
    let mut longer: HashMap<&str, Vec<String>> = HashMap::new();
    for layer in &model.layers {
        for (slash, _) in layer.name.match_indices('/').take(MAX_SLASHES) {
            longer.entry(&layer.name[slash + 1..]).or_default().push(layer.name.clone());
        }
    }
    longer
}

/// Writes a class's name as Keras does in paths: `conv2d`, `batch_normalization`, `re_lu`.
fn snake_case(class: &str) -> String {
    let letters: Vec<char> =
        class.chars().filter(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    // A word of a capital and small letters begins after an underscore.
    let mut words = String::new();
    let mut at = 0;
    while at < letters.len() {
        words.push(letters[at]);
        let is_capital = letters.get(at + 1).is_some_and(char::is_ascii_uppercase);
        let is_word = is_capital && letters.get(at + 2).is_some_and(char::is_ascii_lowercase);
        at += 1;
        if is_word {
            words.push('_');
            words.push(letters[at]);
            at += 1;
            while let Some(letter) = letters.get(at).filter(|letter| letter.is_ascii_lowercase()) {
                words.push(*letter);
                at += 1;
            }
        }
    }
    let mut name = String::new();
    let mut before = None;
    for letter in words.chars() {
        if letter.is_ascii_uppercase() && before.is_some_and(|b: char| b.is_ascii_lowercase()) {
            name.push('_');
        }
        name.push(letter);
        before = Some(letter);
    }
    name.to_lowercase()
}

/// Returns the uses of layers, each after those that it reads: the layer's index and the number of
/// its use.
fn order(model: &Model) -> Result<Vec<(usize, usize)>, String> {
    let by_name = model.by_name();
    let mut first = Vec::with_capacity(model.layers.len());
    let mut calls = Vec::new();
    for (index, layer) in model.layers.iter().enumerate() {
        first.push(calls.len());
        let count = if layer.class == "InputLayer" { 1 } else { layer.calls.len() };
        calls.extend((0..count).map(|number| (index, number)));
    }
    let first_numbers: Vec<usize> =
        model.layers.iter().map(|layer| model.first_call(layer)).collect();
    let position = |tensor: &TensorRef| {
        let index = *by_name.get(tensor.layer.as_str())?;
        let number = tensor.call.checked_sub(first_numbers[index])?;
        let end = first.get(index + 1).copied().unwrap_or(calls.len());
        first[index].checked_add(number).filter(|position| *position < end)
    };
    let mut readers = vec![Vec::new(); calls.len()];
    let mut missing = vec![0; calls.len()];
    for (reader, &(index, number)) in calls.iter().enumerate() {
        let layer = &model.layers[index];
        let Some(call) = layer.calls.get(number) else { continue };
        for argument in &call.arguments {
            let Argument::Tensor(tensor) = argument else { continue };
            let source = position(tensor).ok_or_else(|| not_there(&layer.name, tensor))?;
            readers[source].push(reader);
            missing[reader] += 1;
        }
    }
    let mut ready: BTreeSet<usize> = (0..calls.len()).filter(|&call| missing[call] == 0).collect();
    let mut order = Vec::with_capacity(calls.len());
    while let Some(call) = ready.pop_first() {
        order.push(calls[call]);
        for &reader in &readers[call] {
            missing[reader] -= 1;
            if missing[reader] == 0 {
                ready.insert(reader);
            }
        }
    }
    match order.len() == calls.len() {
        true => Ok(order),
        false => Err("layers read one another in a loop".into()),
    }
}

fn not_there(layer: &str, tensor: &TensorRef) -> String {
    format!("the layer '{layer}' reads '{}', which is not there", tensor.layer)
}

/// Returns the tensors among the arguments of a call.
fn arguments(
    call: &Call,
    values: &HashMap<TensorRef, Node>,
    layer: &str,
) -> Result<Vec<Node>, String> {
    let tensors = call.arguments.iter().filter_map(|argument| match argument {
        Argument::Tensor(tensor) => Some(tensor),
        Argument::Value(_) => None,
    });
    let value =
        |tensor: &TensorRef| values.get(tensor).cloned().ok_or_else(|| not_there(layer, tensor));
    tensors.map(value).collect()
}

impl Site<'_, '_> {
    /// Returns the only input.
    pub(super) fn input(&self) -> Result<Node, Refusal> {
        match self.inputs.as_slice() {
            [input] => Ok(input.clone()),
            inputs => Err(Refusal::Damaged(format!(
                "the layer '{}' reads {} tensors in place of one",
                self.layer.name,
                inputs.len()
            ))),
        }
    }

    /// Returns an argument by name, of the call or of the layer.
    pub(super) fn setting(&self, name: &str) -> Option<&Value> {
        self.call.named.get(name).or_else(|| self.layer.config.get(name))
    }

    /// Adds a node that computes a tensor of `rank` dimensions.
    pub(super) fn add(
        &mut self,
        op: &str,
        inputs: &[&Node],
        rank: usize,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Result<Node, Refusal> {
        let name = self.translator.fresh(&format!("{}/{op}", self.scope));
        let typed = std::iter::once(("T", Attribute::Type(DType::F32.tensorflow())));
        self.translator.add(&name, op, inputs, typed.chain(attributes).collect())?;
        Ok(Node { name, rank })
    }

    /// Adds a constant of one float32, or of a list.
    pub(super) fn floats(&mut self, what: &str, values: &[f32]) -> Result<Node, Refusal> {
        let shape: &[usize] = if values.len() == 1 { &[] } else { &[values.len()] };
        self.float_tensor(what, shape, values)
    }

    /// Adds a constant of float32.
    pub(super) fn float_tensor(
        &mut self,
        what: &str,
        shape: &[usize],
        values: &[f32],
    ) -> Result<Node, Refusal> {
        let tensor = Tensor::from_f32(shape, values.to_vec());
        Ok(self.translator.constant(&format!("{}/{what}", self.scope), &tensor)?)
    }

    /// Adds a constant list of int32.
    pub(super) fn ints(&mut self, what: &str, values: &[i64]) -> Result<Node, Refusal> {
        self.int_tensor(what, &[values.len()], values)
    }

    /// Adds a constant of int32.
    pub(super) fn int_tensor(
        &mut self,
        what: &str,
        shape: &[usize],
        values: &[i64],
    ) -> Result<Node, Refusal> {
        let tensor = Tensor::from_i64(DType::I32, shape, values);
        Ok(self.translator.constant(&format!("{}/{what}", self.scope), &tensor)?)
    }

    /// Reads the variable number `index` of the layer's variables `names`.
    pub(super) fn weight(&self, names: &[&str], index: usize) -> Result<Tensor, Refusal> {
        let tensor = self.translator.weights.get(&self.place, names, index)?;
        if !tensor.dtype().is_float() {
            return Err(Refusal::Damaged(format!(
                "'{}' of the layer '{}' is of {}",
                names[index],
                self.layer.name,
                tensor.dtype()
            )));
        }
        Ok(tensor)
    }

    /// Adds a variable as a constant, once for all uses of the layer, with another shape of as many
    /// elements if one is given.
    pub(super) fn variable(
        &mut self,
        names: &[&str],
        index: usize,
        shape: Option<Reshape<'_>>,
    ) -> Result<Node, Refusal> {
        let key = (self.place.clone(), index);
        if let Some(node) = self.translator.weight_nodes.get(&key) {
            return Ok(node.clone());
        }
        let mut tensor = self.weight(names, index)?;
        if let Some(shape) = shape {
            let changed = shape(tensor.shape()).and_then(|shape| {
                Tensor::from_shared(tensor.dtype(), shape, tensor.shared_bytes().clone())
            });
            tensor = changed.ok_or_else(|| self.wrong_shape(names[index], tensor.shape()))?;
        }
        let name = format!("{}/{}", self.scope, names[index]);
        let node = if tensor.dtype() == DType::F32 {
            self.translator.constant(&name, &tensor)?
        } else {
            let stored = self.translator.constant(&format!("{name}/stored"), &tensor)?;
            let attributes = vec![
                ("SrcT", Attribute::Type(tensor.dtype().tensorflow())),
                ("DstT", Attribute::Type(DType::F32.tensorflow())),
            ];
            let name = self.translator.fresh(&name);
            self.translator.add(&name, "Cast", &[&stored], attributes)?;
            Node { name, rank: stored.rank }
        };
        self.translator.weight_nodes.insert(key, node.clone());
        Ok(node)
    }

    pub(super) fn wrong_shape(&self, name: &str, shape: &[usize]) -> Refusal {
        let layer = &self.layer.name;
        Refusal::Damaged(format!("'{name}' of the layer '{layer}' has the shape {shape:?}"))
    }
}

pub(super) fn shape_proto(dims: &[i64]) -> TensorShapeProto {
    let dim = dims.iter().map(|&size| Dim { size }).collect();
    TensorShapeProto { dim, unknown_rank: false }
}

pub(super) fn shape_value(dims: &[i64]) -> Attribute {
    Attribute::Shape(shape_proto(dims))
}

pub(super) fn ints_value(values: &[i64]) -> Attribute {
    Attribute::List(ListValue { i: values.to_vec(), ..ListValue::default() })
}

pub(super) fn text_value(text: &str) -> Attribute {
    Attribute::S(text.as_bytes().to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn classes_are_written_as_keras_writes_them() {
        for (class, path) in [
            ("Conv2D", "conv2d"),
            ("BatchNormalization", "batch_normalization"),
            ("ReLU", "re_lu"),
            ("PReLU", "p_re_lu"),
            ("LeakyReLU", "leaky_re_lu"),
            ("MaxPooling2D", "max_pooling2d"),
            ("DepthwiseConv2D", "depthwise_conv2d"),
            ("Functional", "functional"),
        ] {
            assert_eq!(snake_case(class), path);
        }
    }
}
