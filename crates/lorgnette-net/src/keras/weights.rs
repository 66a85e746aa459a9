//! The weights of layers, by the two ways in which Keras names them.

use std::collections::{BTreeMap, HashMap};

use crate::hdf5::{Damage, Dataset, Hdf5, Object};
use crate::tensor::{DType, Tensor};

/// The weights of a model.
#[derive(Debug)]
pub(super) struct Weights<'f> {
    scheme: Scheme<'f>,
}

/// Tensors by names such as `conv2d_1/kernel`, with the scopes of models before it.
pub(super) type NamedTensors = BTreeMap<String, Tensor>;

#[derive(Debug)]
enum Scheme<'f> {
    /// Whole-model `.h5`: for each layer of the outermost model, its weights by name and in order,
    /// those of models within it among them.
    Layers { file: &'f Hdf5, layers: HashMap<String, Vec<(String, Object<'f>)>> },
    /// `.keras`: the datasets by their path, such as `layers/conv2d_1/vars/0`.
    Paths { file: &'f Hdf5, root: &'static str, datasets: BTreeMap<String, Object<'f>> },
    /// TensorFlow.js: the tensors themselves.
    Names(NamedTensors),
}

/// Where a layer is in the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LayerPlace {
    /// The layer of the outermost model that it is, or is within.
    pub(super) outer: String,
    pub(super) name: String,
    /// Whether it is within a model within the model.
    pub(super) is_nested: bool,
    /// The path by classes: `layers/functional/layers/conv2d_1`.
    pub(super) path: String,
}

impl<'f> Weights<'f> {
    /// Reads the names of a whole-model `.h5`.
    pub(super) fn of_layers(file: &'f Hdf5) -> Result<Self, Damage> {
        let groups = "model_weights";
        let Some(root) = file.find(groups)? else {
            return Ok(Self { scheme: Scheme::Layers { file, layers: HashMap::new() } });
        };
        let mut datasets = file.datasets(groups)?;
        let mut children = root.children()?;
        let mut layers = HashMap::new();
        for layer in names(&root, "layer_names")? {
            // A layer's name may have slashes.
            let group = match children.remove(&layer) {
                None => file.find(&format!("{groups}/{layer}"))?,
                group => group,
            };
            let Some(group) = group else { continue };
            let mut own = Vec::new();
            for name in names(&group, "weight_names")? {
                if let Some(dataset) = datasets.remove(&format!("{layer}/{name}")) {
                    own.push((name, dataset));
                }
            }
            layers.insert(layer, own);
        }
        Ok(Self { scheme: Scheme::Layers { file, layers } })
    }

    /// Reads the paths of a `.keras` file's weights.
    pub(super) fn of_paths(file: &'f Hdf5) -> Result<Self, Damage> {
        // TensorFlow 2.12 and 2.13.
        let older = "_layer_checkpoint_dependencies";
        let root = if file.find(older)?.is_some() { older } else { "layers" };
        Ok(Self { scheme: Scheme::Paths { file, root, datasets: file.datasets("")? } })
    }

    /// Takes tensors by their names.
    pub(super) fn of_names(tensors: NamedTensors) -> Self {
        Self { scheme: Scheme::Names(tensors) }
    }

    /// Returns the variable number `index` of `names`, the variables of a layer.
    ///
    /// # Errors
    /// If it is missing or damaged.
    pub(super) fn get(
        &self,
        layer: &LayerPlace,
        names: &[&str],
        index: usize,
    ) -> Result<Tensor, String> {
        let wanted = || format!("'{}' of the layer '{}'", names[index], layer.name);
        let missing = || format!("the weights lack {}", wanted());
        let (file, object) = match &self.scheme {
            Scheme::Layers { file, layers } => {
                let own = layers.get(&layer.outer);
                (file, own.and_then(|own| by_name(own, layer, names, index)))
            }
            Scheme::Paths { file, root, datasets } => {
                let path = layer.path.replace("layers", root);
                (file, datasets.get(&format!("{path}/vars/{index}")))
            }
            Scheme::Names(tensors) => {
                return named(tensors, layer, names[index]).ok_or_else(missing);
            }
        };
        read(file, object.ok_or_else(missing)?).map_err(|what| format!("{}: {what}", wanted()))
    }
}

/// Reads a dataset.
fn read(file: &Hdf5, object: &Object<'_>) -> Result<Tensor, String> {
    let dataset: Dataset = object.dataset()?.ok_or("it is no dataset")?;
    let tensor = dataset.read(file)?;
    // Keras stores bfloat16 as the integers of its bits.
    let is_bf16 = || matches!(object.texts("dtype"), Ok(Some(t)) if t == ["bfloat16"]);
    match tensor.dtype() {
        DType::U16 if is_bf16() => {
            let (shape, bytes) = (tensor.shape().to_vec(), tensor.shared_bytes().clone());
            Tensor::from_shared(DType::BF16, shape, bytes)
                .ok_or_else(|| "it has other bytes than its shape".to_owned())
        }
        _ => Ok(tensor),
    }
}

/// Finds the only tensor of a name in the scope of a layer.
fn named(tensors: &NamedTensors, layer: &LayerPlace, name: &str) -> Option<Tensor> {
    let own = format!("{}/{name}", layer.name);
    let is_own = |key: &str| {
        key.strip_suffix(&own).is_some_and(|scope| scope.is_empty() || scope.ends_with('/'))
    };
    let mut fitting = tensors.iter().filter(|(key, _)| is_own(key));
    let (_, tensor) = fitting.next()?;
    fitting.next().is_none().then(|| tensor.clone())
}

/// Finds a variable among those of a layer of the outermost model: by its name; or, of a layer that
/// is no model, by its place, because layers are renamed.
fn by_name<'w, 'f>(
    own: &'w [(String, Object<'f>)],
    layer: &LayerPlace,
    names: &[&str],
    index: usize,
) -> Option<&'w Object<'f>> {
    let is_wanted = |(name, _): &&(String, Object<'f>)| {
        let name = name.strip_suffix(":0").unwrap_or(name);
        let (scope, last) = name.rsplit_once('/').unwrap_or(("", name));
        let parent = scope.rsplit('/').next().unwrap_or_default();
        last == names[index] && parent == layer.name
    };
    let mut fitting = own.iter().filter(is_wanted);
    if let (Some((_, object)), None) = (fitting.next(), fitting.next()) {
        return Some(object);
    }
    let in_order = !layer.is_nested && own.len() == names.len();
    in_order.then(|| own.get(index).map(|(_, object)| object)).flatten()
}

/// Returns a list of names; Keras divides long ones into several attributes.
fn names(object: &Object<'_>, attribute: &str) -> Result<Vec<String>, Damage> {
    if let Some(names) = object.texts(attribute)? {
        return Ok(names);
    }
    let mut all = Vec::new();
    for part in 0.. {
        match object.texts(&format!("{attribute}{part}"))? {
            Some(names) => all.extend(names),
            None => break,
        }
    }
    Ok(all)
}
