//! Detects the kind of model that a path leads to.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Choice, Error, Result};
use crate::import::identify;
use crate::keras;
use crate::onnx::is_onnx;
use crate::saved_model;
use crate::weights::Weights;

/// The kinds of model files.
#[derive(Debug)]
pub(super) enum FileKind {
    /// A GraphDef (`.pb`), frozen or not.
    Graph(PathBuf),
    /// A MetaGraphDef (`.meta`).
    Meta(PathBuf),
    /// The `saved_model.pb` of a SavedModel.
    SavedModel(PathBuf),
    /// A Keras model: HDF5, or an archive.
    Keras(PathBuf),
    /// An ONNX model, detected by its content.
    Onnx(PathBuf),
    /// A checkpoint by any of its paths, already open if the path is a folder.
    Checkpoint(Option<Arc<Weights>>),
}

/// The maximum depth of the search for a graph; archives contain nested folders.
const MAX_DEPTH: usize = 4;

/// Files of a SavedModel that describe it and are no models.
const DESCRIPTIONS: [&str; 2] = ["fingerprint.pb", "keras_metadata.pb"];

/// The extensions of the graphs that are looked for in folders.
const GRAPHS: [&str; 6] = ["pb", "onnx", "tflite", "keras", "h5", "hdf5"];

/// Detects the kind of model at `path`. In a folder with a checkpoint and a graph, as in
/// MobileNet's archives, the checkpoint wins: it has every end point, at any size.
pub(super) fn file_kind(path: &Path) -> Result<FileKind> {
    const SSTABLE_MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
    if path.is_dir() {
        return folder_kind(path);
    }
    check_no_pointer(path)?;
    check_no_description(path)?;
    if let Some(saved_model) = saved_model_of_variables(path.parent()) {
        return Ok(FileKind::SavedModel(saved_model));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A prefix is not a file itself; the other names of a checkpoint are conclusive.
    if !path.is_file()
        || name.ends_with(".index")
        || name.contains(".data-")
        || name == "checkpoint"
    {
        return Ok(FileKind::Checkpoint(None));
    }
    let bytes = crate::file::map(path)?;
    if bytes.ends_with(&SSTABLE_MAGIC) {
        return Ok(FileKind::Checkpoint(None));
    }
    if is_onnx(&bytes) {
        return Ok(FileKind::Onnx(path.into()));
    }
    if keras::is_keras(&bytes) {
        return Ok(FileKind::Keras(path.into()));
    }
    if name == saved_model::FILE || saved_model::is_saved_model(&bytes) {
        return Ok(FileKind::SavedModel(path.into()));
    }
    Ok(if has_extension(path, "meta") {
        FileKind::Meta(path.into())
    } else {
        FileKind::Graph(path.into())
    })
}

/// Refuses the small text that Git LFS leaves in place of a file.
fn check_no_pointer(path: &Path) -> Result<()> {
    const START: &[u8] = b"version https://git-lfs";
    let mut start = Vec::new();
    if path.is_file() {
        // A file that cannot be read is an error where it is opened.
        let file = File::open(path);
        let _ = file.and_then(|file| file.take(START.len() as u64).read_to_end(&mut start));
    }
    match identify(&start).filter(|_| start == START) {
        Some(what) => Err(Error::Format { path: path.into(), what: what.into() }),
        None => Ok(()),
    }
}

/// Refuses a file that describes a SavedModel.
fn check_no_description(path: &Path) -> Result<()> {
    if path.is_file() && is_description(path) {
        let what = "a file that describes a SavedModel, and no model: give the folder that it \
                    is in, with saved_model.pb";
        return Err(Error::Format { path: path.into(), what: what.into() });
    }
    Ok(())
}

fn is_description(path: &Path) -> bool {
    DESCRIPTIONS.iter().any(|name| path.file_name() == Some(OsStr::new(name)))
}

/// Returns the SavedModel whose variables are in a folder.
fn saved_model_of_variables(folder: Option<&Path>) -> Option<PathBuf> {
    let folder = folder.filter(|folder| folder.ends_with("variables"))?;
    let saved_model = folder.parent()?.join(saved_model::FILE);
    saved_model.is_file().then_some(saved_model)
}

fn folder_kind(folder: &Path) -> Result<FileKind> {
    if let Some(saved_model) = saved_model_of_variables(Some(folder)) {
        return Ok(FileKind::SavedModel(saved_model));
    }
    let saved_model = folder.join(saved_model::FILE);
    if saved_model.is_file() {
        return Ok(FileKind::SavedModel(saved_model));
    }
    if let Some(saved_model) = nested_saved_model(folder)? {
        return Ok(FileKind::SavedModel(saved_model));
    }
    match Weights::open(folder) {
        Err(Error::Format { path, .. }) if path == folder => match graph_in(folder)? {
            Some(graph) => file_kind(&graph),
            None => match keras::tensorflow_js_in(folder) {
                Some(model) => Ok(FileKind::Keras(model)),
                None => Err(Error::Format { path, what: no_model_in(folder) }),
            },
        },
        Err(error) => Err(error),
        Ok(weights) => Ok(FileKind::Checkpoint(Some(Arc::new(weights)))),
    }
}

fn no_model_in(folder: &Path) -> String {
    let entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    if entries.is_empty() {
        return "there is nothing in it".into();
    }
    // PyTorch's files are archives of a folder.
    let has_pickle = |folder: &PathBuf| folder.join("data.pkl").is_file();
    if entries.iter().any(has_pickle) || has_pickle(&folder.to_owned()) {
        return "a PyTorch model, whose layers are Python code or its TorchScript: export it as \
                ONNX with torch.onnx.export()"
            .into();
    }
    if entries.iter().all(|path| has_extension(path, "npy")) {
        return "arrays of NumPy (.npz), and no layers: save the whole model".into();
    }
    if DESCRIPTIONS.iter().any(|name| folder.join(name).is_file()) {
        return "a SavedModel without its saved_model.pb, which has the graph: get the whole folder \
                (saved_model.pb and variables/)"
            .into();
    }
    "there is no model in this folder: no checkpoint (.ckpt, .index), no graph (.pb, .onnx, \
     .tflite), no SavedModel, no Keras model (.keras, .h5)"
        .into()
}

/// Returns the SavedModel in the folders below a folder that has no other model of its own. Of
/// several in folders that are called by numbers, as TensorFlow Serving has them, the one of the
/// highest number.
fn nested_saved_model(folder: &Path) -> Result<Option<PathBuf>> {
    let is_model = |path: &Path| {
        let extension = path.extension().unwrap_or_default();
        let is_checkpoint =
            extension == "index" || extension == "ckpt" || path.ends_with("checkpoint");
        is_checkpoint || is_graph(path)
    };
    let mut own = std::fs::read_dir(folder).into_iter().flatten().flatten();
    if own.any(|entry| is_model(&entry.path())) {
        return Ok(None);
    }
    let found = saved_models_in(folder, MAX_DEPTH);
    let version = |path: &PathBuf| path.parent()?.file_name()?.to_str()?.parse::<u64>().ok();
    let versions: Option<Vec<u64>> = found.iter().map(version).collect();
    let is_served = versions.is_some()
        && found.iter().all(|path| path.ancestors().nth(2) == found[0].ancestors().nth(2));
    match found.len() {
        0 => Ok(None),
        1 => Ok(found.into_iter().next()),
        _ if is_served => Ok(found.into_iter().max_by_key(version)),
        _ => Err(Error::Ambiguous {
            choice: Choice::Path,
            what: format!("{}: there are several SavedModels; give one of them", folder.display()),
            candidates: found
                .iter()
                .filter_map(|path| Some(path.parent()?.display().to_string()))
                .collect(),
        }),
    }
}

fn saved_models_in(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let own = folder.join(saved_model::FILE);
    if own.is_file() {
        return vec![own];
    }
    if depth == 0 {
        return Vec::new();
    }
    folders_in(folder).iter().flat_map(|folder| saved_models_in(folder, depth - 1)).collect()
}

/// Returns the folders in a folder, sorted; links are not followed.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    // Unreadable folders are skipped.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()))
        .collect();
    folders.sort();
    folders
}

/// Returns the graph that belongs to a checkpoint of an unknown network: its `.meta`, or the only
/// `.pb` in its folder.
pub(super) fn graph_beside(checkpoint: &Path, weights: &Weights) -> Result<Option<FileKind>> {
    let mut meta = weights.prefix().as_os_str().to_owned();
    meta.push(".meta");
    let meta = PathBuf::from(meta);
    if meta.is_file() {
        return Ok(Some(FileKind::Meta(meta)));
    }
    let folder = if checkpoint.is_dir() { Some(checkpoint) } else { checkpoint.parent() };
    let graph = folder.map(graph_in).transpose()?.flatten();
    let is_graph_def =
        |graph: &PathBuf| has_extension(graph, "pb") || has_extension(graph, "tflite");
    Ok(graph.filter(is_graph_def).map(FileKind::Graph))
}

/// Returns the only graph in a folder or the folders below it.
fn graph_in(folder: &Path) -> Result<Option<PathBuf>> {
    let mut graphs = graphs_in(folder, MAX_DEPTH);
    match graphs.len() {
        0 | 1 => Ok(graphs.pop()),
        _ => Err(Error::Ambiguous {
            choice: Choice::Path,
            what: format!("{}: there are several graphs; give one of them", folder.display()),
            candidates: graphs.iter().map(|graph| graph.display().to_string()).collect(),
        }),
    }
}

fn graphs_in(folder: &Path, depth: usize) -> Vec<PathBuf> {
    // Unreadable folders are skipped.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let own: Vec<PathBuf> =
        paths.iter().filter(|path| is_graph(path) && path.is_file()).cloned().collect();
    if !own.is_empty() || depth == 0 {
        return own;
    }
    folders_in(folder).iter().flat_map(|folder| graphs_in(folder, depth - 1)).collect()
}

/// Whether a file of a folder is one of the graphs that are looked for there.
fn is_graph(path: &Path) -> bool {
    !is_description(path) && GRAPHS.iter().any(|extension| has_extension(path, extension))
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension() == Some(OsStr::new(extension))
}
