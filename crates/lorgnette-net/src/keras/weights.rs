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
    Layers { file: &'f Hdf5, layers: HashMap<String, LayerWeights<'f>> },
    /// `.keras`: the datasets by their path, such as `layers/conv2d_1/vars/0`.
    Paths { file: &'f Hdf5, root: &'static str, datasets: BTreeMap<String, Object<'f>> },
    /// TensorFlow.js: the tensors themselves.
    Names(ByName<Tensor>),
}

/// The weights of a layer of the outermost model.
#[derive(Debug)]
struct LayerWeights<'f> {
    in_order: Vec<Object<'f>>,
    by_name: ByName<usize>,
}

/// Values by names of which the scopes before a layer's name are not known.
#[derive(Debug)]
struct ByName<T> {
    /// The names from their last byte to their first, in order: names of one end are neighbours.
    names: Vec<(Vec<u8>, T)>,
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
    /// The names of other layers of the model that end in this one's after a slash: `conv1/bn`
    /// beside `bn`.
    pub(super) longer_names: Vec<String>,
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
            let mut in_order = Vec::new();
            let mut names_of_layer = Vec::new();
            for name in names(&group, "weight_names")? {
                if let Some(dataset) = datasets.remove(&format!("{layer}/{name}")) {
                    let name = name.strip_suffix(":0").unwrap_or(&name).to_owned();
                    names_of_layer.push((name, in_order.len()));
                    in_order.push(dataset);
                }
            }
            let by_name = ByName::new(names_of_layer);
            layers.insert(layer, LayerWeights { in_order, by_name });
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
        Self { scheme: Scheme::Names(ByName::new(tensors)) }
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
                (file, own.and_then(|own| own.get(layer, names, index)))
            }
            Scheme::Paths { file, root, datasets } => {
                let path = layer.path.replace("layers", root);
                (file, datasets.get(&format!("{path}/vars/{index}")))
            }
            Scheme::Names(tensors) => {
                return tensors.only(layer, names[index]).cloned().ok_or_else(missing);
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

impl<'f> LayerWeights<'f> {
    /// Finds a variable by its name; or, of a layer that is no model, by its place, because layers
    /// are renamed.
    fn get(&self, layer: &LayerPlace, names: &[&str], index: usize) -> Option<&Object<'f>> {
        if let Some(&place) = self.by_name.only(layer, names[index]) {
            return self.in_order.get(place);
        }
        let is_in_order = !layer.is_nested && self.in_order.len() == names.len();
        is_in_order.then(|| self.in_order.get(index)).flatten()
    }
}

impl<T> ByName<T> {
    fn new(names: impl IntoIterator<Item = (String, T)>) -> Self {
        let reversed = |name: String| name.bytes().rev().collect();
        let mut names: Vec<(Vec<u8>, T)> =
            names.into_iter().map(|(name, value)| (reversed(name), value)).collect();
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self { names }
    }

    /// Returns the only value of this name in the scope of a layer, wherever the layer is.
    fn only(&self, layer: &LayerPlace, name: &str) -> Option<&T> {
        let mut end: Vec<u8> = format!("{}/{name}", layer.name).into_bytes();
        end.reverse();
        let whole = self.starting_with(&end).iter().take_while(|(name, _)| *name == end);
        let before = [end.as_slice(), b"/"].concat();
        let is_scoped = |(name, _): &&(Vec<u8>, T)| name.starts_with(&before);
        let scoped = self.starting_with(&before).iter().take_while(is_scoped);
        let longer: Vec<Vec<u8>> = layer
            .longer_names
            .iter()
            .map(|longer| format!("{longer}/{name}").bytes().rev().collect())
            .collect();
        let is_own = |(name, _): &&(Vec<u8>, T)| {
            let is_of = |longer: &Vec<u8>| {
                name.strip_prefix(longer.as_slice())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            };
            !longer.iter().any(is_of)
        };
        let mut fitting = whole.chain(scoped).filter(is_own);
        let (_, value) = fitting.next()?;
        fitting.next().is_none().then_some(value)
    }

    /// Returns the names from the first that may start with `end` on.
    fn starting_with(&self, end: &[u8]) -> &[(Vec<u8>, T)] {
        &self.names[self.names.partition_point(|(name, _)| name.as_slice() < end)..]
    }
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
