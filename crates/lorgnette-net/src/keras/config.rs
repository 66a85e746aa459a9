//! The configuration of a model: its layers, and how they are connected.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::memory;

/// The version of Keras that wrote a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KerasVersion {
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl KerasVersion {
    /// Reads `3.15.1`; anything else is of Keras 2.
    fn parse(text: &str) -> Self {
        let mut numbers = text.split('.').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Self { major, minor },
            (Some(Ok(major)), _) => Self { major, minor: 0 },
            _ => Self { major: 2, minor: 0 },
        }
    }

    pub(super) fn is_keras_3(self) -> bool {
        self.major == 3
    }
}

/// A Sequential or functional model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) layers: Vec<Layer>,
    pub(super) inputs: Vec<TensorRef>,
    pub(super) outputs: Vec<TensorRef>,
    pub(super) is_sequential: bool,
    pub(super) version: KerasVersion,
}

/// A layer, an operation, or a model within the model.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) name: String,
    /// The class, such as `Conv2D`.
    pub(super) class: String,
    pub(super) config: Map<String, Value>,
    pub(super) calls: Vec<Call>,
    /// The layers of a model.
    pub(super) model: Option<Model>,
    /// Whether it is a function of tensors, which has no weights.
    pub(super) is_function: bool,
}

/// One use of a layer.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub(super) arguments: Vec<Argument>,
    /// Named arguments.
    pub(super) named: Map<String, Value>,
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    Tensor(TensorRef),
    Value(Value),
}

/// An output of a use of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TensorRef {
    pub(super) layer: String,
    pub(super) call: usize,
    pub(super) output: usize,
}

/// Returns the version in `metadata.json`.
pub(super) fn keras_version(metadata: &str) -> String {
    let metadata: Option<Value> = serde_json::from_str(metadata).ok();
    let version = metadata.as_ref().and_then(|metadata| metadata.get("keras_version")?.as_str());
    version.unwrap_or("3").to_owned()
}

/// Estimates the memory of parsed JSON, of which layers have copies.
pub(super) fn parsed_bytes(text: &str) -> u64 {
    /// Bytes of a value in a list that grows, with its key.
    const VALUE: u64 = 160;
    let values = text.bytes().filter(|byte| b",:[{".contains(byte)).count() as u64;
    2 * (VALUE * values + text.len() as u64)
}

impl Model {
    /// Parses a configuration of a model that Keras `version` wrote.
    ///
    /// # Errors
    /// If it is not JSON, or not of a Sequential or functional model.
    pub(super) fn parse(text: &str, version: &str) -> Result<Self, String> {
        let bytes = parsed_bytes(text);
        memory::check("the model's configuration", bytes).map_err(|error| error.to_string())?;
        let config: Value = serde_json::from_str(text)
            .map_err(|error| format!("the model's configuration is damaged: {error}"))?;
        let version = KerasVersion::parse(version);
        let class = text_of(&config, "class_name").unwrap_or_default();
        match model(&config, version)? {
            Some(model) if !model.layers.is_empty() => Ok(model),
            Some(_) => Err("the Keras model has no layers".into()),
            None => Err(format!(
                "a Keras model of the class '{class}', whose calculation is in Python code and not \
                 in the file: only Sequential and functional models can be read; export it with \
                 model.export() to a SavedModel"
            )),
        }
    }

    /// Returns the layers by name.
    pub(super) fn by_name(&self) -> HashMap<&str, usize> {
        self.layers.iter().enumerate().map(|(index, layer)| (layer.name.as_str(), index)).collect()
    }

    /// Returns the number at which a file begins to count the uses of a model within the model.
    pub(super) fn first_call(&self, layer: &Layer) -> usize {
        // Functional models count their own making as the first.
        let all = self.layers.iter().flat_map(|layer| &layer.calls);
        let references =
            all.flat_map(|call| &call.arguments).filter_map(|argument| match argument {
                Argument::Tensor(tensor) => Some(tensor),
                Argument::Value(_) => None,
            });
        let is_beyond =
            |tensor: &&TensorRef| tensor.layer == layer.name && tensor.call >= layer.calls.len();
        usize::from(layer.model.is_some() && references.chain(&self.outputs).any(|r| is_beyond(&r)))
    }
}

fn text_of<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

/// Parses a model; `None` if the class is not one.
fn model(value: &Value, version: KerasVersion) -> Result<Option<Model>, String> {
    let class = text_of(value, "class_name").unwrap_or_default();
    let config = value.get("config").unwrap_or(&Value::Null);
    let name = text_of(config, "name").unwrap_or(class).to_owned();
    // Keras before 2.2.3 has the layers of a Sequential model alone.
    let layers = config.get("layers").unwrap_or(config).as_array();
    let Some(layers) = layers.filter(|_| ["Sequential", "Functional", "Model"].contains(&class))
    else {
        return Ok(None);
    };
    let layers: Vec<Layer> =
        layers.iter().map(|value| layer(value, version)).collect::<Result<_, _>>()?;
    let names: BTreeSet<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    if names.len() < layers.len() {
        return Err(format!("two layers of the model '{name}' have one name"));
    }
    let is_sequential = class == "Sequential";
    let (inputs, outputs) = (Vec::new(), Vec::new());
    let model = Model { name, layers, inputs, outputs, is_sequential, version };
    if is_sequential {
        return sequential(model, config).map(Some);
    }
    let inputs = tensor_refs(config.get("input_layers").unwrap_or(&Value::Null));
    let outputs = tensor_refs(config.get("output_layers").unwrap_or(&Value::Null));
    if outputs.is_empty() {
        return Err(format!("the model '{}' has no outputs", model.name));
    }
    Ok(Some(Model { inputs, outputs, ..model }))
}

fn layer(value: &Value, version: KerasVersion) -> Result<Layer, String> {
    let class = text_of(value, "class_name").unwrap_or_default().to_owned();
    let config = value.get("config").and_then(Value::as_object);
    let name = text_of(value, "name")
        .or_else(|| config?.get("name").and_then(Value::as_str))
        .ok_or_else(|| format!("a layer of the class '{class}' has no name"))?
        .to_owned();
    let module = text_of(value, "module").unwrap_or_default();
    // Keras 3 leaves the modules out of .h5 files.
    let functions = [
        "TFOpLambda",
        "SlicingOpLambda",
        "TensorFlowOpLayer",
        "GetItem",
        "TrueDivide",
        "Divide",
        "Stack",
        "Mean",
        "ExpandDims",
        "Squeeze",
        "Resize",
        "Cast",
    ];
    let is_function = module.contains(".ops.") || functions.contains(&class.as_str());
    let inbound = value.get("inbound_nodes").and_then(Value::as_array);
    let calls = inbound.map(|nodes| nodes.iter().map(call).collect()).unwrap_or_default();
    let mut model = model(value, version)?;
    if let Some(model) = &mut model {
        add_build_shape(model, value);
    }
    // That of a model is in its layers.
    let config = config.filter(|_| model.is_none()).cloned().unwrap_or_default();
    Ok(Layer { name, class, config, calls, model, is_function })
}

/// Connects the layers of a Sequential model, in their order.
fn sequential(mut model: Model, config: &Value) -> Result<Model, String> {
    let has_input = model.layers.first().is_some_and(|layer| layer.class == "InputLayer");
    if !has_input {
        let own_shape = |layer: &Layer| layer.config.get("batch_input_shape").cloned();
        let shape = config
            .get("build_input_shape")
            .cloned()
            .or_else(|| model.layers.first().and_then(own_shape))
            .or_else(|| model.layers.first().and_then(shape_of_model))
            .unwrap_or(Value::Null);
        let mut own = Map::new();
        own.insert("batch_shape".into(), shape);
        let names: BTreeSet<&str> = model.layers.iter().map(|layer| layer.name.as_str()).collect();
        let mut name = format!("{}_input", model.name);
        while names.contains(name.as_str()) {
            name.push('_');
        }
        let input = Layer {
            name,
            class: "InputLayer".into(),
            config: own,
            calls: Vec::new(),
            model: None,
            is_function: false,
        };
        model.layers.insert(0, input);
    }
    for index in 1..model.layers.len() {
        let before = TensorRef::first_of(&model.layers[index - 1].name);
        let arguments = vec![Argument::Tensor(before)];
        model.layers[index].calls = vec![Call { arguments, named: Map::new() }];
    }
    let first = &model.layers.first().ok_or("a Sequential model has no layers")?.name;
    let last = &model.layers[model.layers.len() - 1].name;
    (model.inputs, model.outputs) =
        (vec![TensorRef::first_of(first)], vec![TensorRef::first_of(last)]);
    Ok(model)
}

/// Returns the shape of the input of a layer that is a model, which TensorFlow.js does not repeat
/// in the model around it.
fn shape_of_model(layer: &Layer) -> Option<Value> {
    let input = layer.model.as_ref()?.layers.iter().find(|layer| layer.class == "InputLayer")?;
    let shapes = ["batch_shape", "batch_input_shape"];
    shapes.iter().find_map(|name| input.config.get(*name).filter(|shape| shape.is_array()).cloned())
}

/// Adds the shape that a Sequential model without an input was built with.
fn add_build_shape(model: &mut Model, value: &Value) {
    let shape = value.get("build_config").and_then(|build| build.get("input_shape"));
    if let (Some(shape), Some(input)) = (shape, model.layers.first_mut())
        && input.class == "InputLayer"
        && input.config.get("batch_shape").is_some_and(Value::is_null)
    {
        input.config.insert("batch_shape".into(), shape.clone());
    }
}

impl TensorRef {
    fn first_of(layer: &str) -> Self {
        Self { layer: layer.to_owned(), call: 0, output: 0 }
    }

    /// Reads `[layer, call, output, …]`.
    fn from_list(value: &Value) -> Option<Self> {
        let list = value.as_array()?;
        let number = |at: usize| usize::try_from(list.get(at)?.as_u64()?).ok();
        let layer = list.first()?.as_str()?.to_owned();
        Some(Self { layer, call: number(1)?, output: number(2)? })
    }

    /// Reads Keras 3's description of a tensor.
    fn from_keras_tensor(value: &Value) -> Option<Self> {
        let is_tensor = text_of(value, "class_name") == Some("__keras_tensor__");
        is_tensor.then(|| Self::from_list(value.get("config")?.get("keras_history")?)).flatten()
    }
}

/// Reads one tensor, or a list or an object of tensors.
fn tensor_refs(value: &Value) -> Vec<TensorRef> {
    if let Some(one) = TensorRef::from_list(value) {
        return vec![one];
    }
    match value {
        Value::Array(list) => list.iter().filter_map(TensorRef::from_list).collect(),
        Value::Object(named) => named.values().filter_map(TensorRef::from_list).collect(),
        _ => Vec::new(),
    }
}

/// Reads a use of a layer: of Keras 2, a list of `[layer, call, output, {named}]`; of Keras 3,
/// `{args, kwargs}`.
fn call(value: &Value) -> Call {
    let mut call = Call::default();
    if let Some(arguments) = value.get("args") {
        add_arguments(arguments, &mut call.arguments);
        let named = value.get("kwargs").and_then(Value::as_object).cloned().unwrap_or_default();
        // Tensors by name follow the others.
        for (name, value) in named {
            match TensorRef::from_keras_tensor(&value) {
                Some(tensor) => call.arguments.push(Argument::Tensor(tensor)),
                None => drop(call.named.insert(name, value)),
            }
        }
        return call;
    }
    // One tensor or constant alone is not in a list.
    let is_lone = value.as_array().and_then(|list| list.first()).is_some_and(Value::is_string);
    let lone = is_lone.then(|| std::slice::from_ref(value));
    let tensors = lone.or(value.as_array().map(Vec::as_slice)).unwrap_or_default();
    for tensor in tensors {
        if let Some(reference) = TensorRef::from_list(tensor) {
            call.arguments.push(Argument::Tensor(reference));
        } else if let Some(value) = constant_argument(tensor) {
            call.arguments.push(Argument::Value(value));
        }
        let named = tensor.as_array().and_then(|list| list.get(3)?.as_object());
        for (name, value) in named.into_iter().flatten() {
            match TensorRef::from_list(value) {
                Some(tensor) => call.arguments.push(Argument::Tensor(tensor)),
                None => drop(call.named.insert(name.clone(), value.clone())),
            }
        }
    }
    call
}

/// Reads Keras 2's `["_CONSTANT_VALUE", -1, value, …]`.
fn constant_argument(value: &Value) -> Option<Value> {
    let list = value.as_array()?;
    (list.first()?.as_str()? == "_CONSTANT_VALUE").then(|| list.get(2).cloned()).flatten()
}

/// Adds the arguments of a call of Keras 3; lists of tensors are taken apart.
fn add_arguments(value: &Value, arguments: &mut Vec<Argument>) {
    let Some(list) = value.as_array() else { return };
    for argument in list {
        let is_list_of_tensors = argument.as_array().is_some_and(|list| {
            !list.is_empty() && list.iter().all(|item| TensorRef::from_keras_tensor(item).is_some())
        });
        match TensorRef::from_keras_tensor(argument) {
            Some(tensor) => arguments.push(Argument::Tensor(tensor)),
            None if is_list_of_tensors => add_arguments(argument, arguments),
            None => arguments.push(Argument::Value(argument.clone())),
        }
    }
}
