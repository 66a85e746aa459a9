//! Detects the kind of model that a path leads to.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Choice, Error, Result};
use crate::import::identify;
use crate::onnx::is_onnx;
use crate::weights::Weights;

/// The kinds of model files.
#[derive(Debug)]
pub(super) enum FileKind {
    /// A GraphDef (`.pb`), frozen or not.
    Graph(PathBuf),
    /// A MetaGraphDef (`.meta`).
    Meta(PathBuf),
    /// An ONNX model, detected by its content.
    Onnx(PathBuf),
    /// A checkpoint by any of its paths, already open if the path is a folder.
    Checkpoint(Option<Arc<Weights>>),
}

/// The maximum depth of the search for a graph; archives contain nested folders.
const MAX_DEPTH: usize = 4;

/// Detects the kind of model at `path`. In a folder with a checkpoint and a graph, as in
/// MobileNet's archives, the checkpoint wins: it has every end point, at any size.
pub(super) fn file_kind(path: &Path) -> Result<FileKind> {
    const SSTABLE_MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
    if path.is_dir() {
        return folder_kind(path);
    }
    check_no_pointer(path)?;
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

fn folder_kind(folder: &Path) -> Result<FileKind> {
    let saved_model = folder.join("saved_model.pb");
    if saved_model.is_file() {
        return Err(Error::Format {
            path: saved_model,
            what:
                "a SavedModel, which is not read yet: freeze it to a GraphDef, or convert it with \
                   tf2onnx or tf.lite.TFLiteConverter.from_saved_model"
                    .into(),
        });
    }
    match Weights::open(folder) {
        Err(Error::Format { path, .. }) if path == folder => match graph_in(folder)? {
            Some(graph) if has_extension(&graph, "onnx") => Ok(FileKind::Onnx(graph)),
            Some(graph) => Ok(FileKind::Graph(graph)),
            None => Err(Error::Format {
                path,
                what: "there is no model in this folder: no checkpoint (.ckpt, .index), no graph \
                     (.pb, .onnx, .tflite)"
                    .into(),
            }),
        },
        Err(error) => Err(error),
        Ok(weights) => Ok(FileKind::Checkpoint(Some(Arc::new(weights)))),
    }
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
    Ok(graph.filter(|graph| !has_extension(graph, "onnx")).map(FileKind::Graph))
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
    let folders =
        paths.iter().filter(|path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()));
    folders.flat_map(|folder| graphs_in(folder, depth - 1)).collect()
}

/// Whether a file of a folder is one of the graphs that are looked for there.
fn is_graph(path: &Path) -> bool {
    // A SavedModel's fingerprint.
    let is_fingerprint = path.file_name() == Some(OsStr::new("fingerprint.pb"));
    !is_fingerprint
        && ["pb", "onnx", "tflite"].iter().any(|extension| has_extension(path, extension))
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension() == Some(OsStr::new(extension))
}
