//! What a path leads to: a graph, the graph that a saver left beside a checkpoint, or a checkpoint.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::weights::Weights;

/// What a model is kept as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A GraphDef (`.pb`), frozen or not.
    Graph(PathBuf),
    /// A MetaGraphDef (`.meta`).
    Meta(PathBuf),
    /// Any path of a checkpoint.
    Checkpoint,
}

/// How far below a folder a graph is looked for; archives hold folders of folders.
const DEPTH: usize = 4;

/// What `path` leads to. Of a folder with a checkpoint and a graph, as MobileNet's archives are, the checkpoint: it has
/// every end point, at any size.
pub(super) fn form(path: &Path) -> Result<Form> {
    const SSTABLE_MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57_u64.to_le_bytes();
    if path.is_dir() {
        return folder_form(path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A prefix is no file itself; a checkpoint's other names tell, whatever is in them.
    if !path.is_file() || name.ends_with(".index") || name.contains(".data-") || name == "checkpoint" {
        return Ok(Form::Checkpoint);
    }
    if crate::file::map(path)?.ends_with(&SSTABLE_MAGIC) {
        return Ok(Form::Checkpoint);
    }
    Ok(if has_ending(path, "meta") { Form::Meta(path.into()) } else { Form::Graph(path.into()) })
}

fn folder_form(folder: &Path) -> Result<Form> {
    match Weights::open(folder) {
        Err(Error::Format { path, .. }) if path == folder => match graph_in(folder)? {
            Some(graph) => Ok(Form::Graph(graph)),
            None => Err(Error::Format {
                path,
                what: "there is no model in this folder: no checkpoint (.ckpt, .index), no graph (.pb)".into(),
            }),
        },
        _ => Ok(Form::Checkpoint),
    }
}

/// The graph that goes with a checkpoint whose network is not known: its `.meta`, or the only `.pb` of its folder.
pub(super) fn graph_of(checkpoint: &Path) -> Result<Option<Form>> {
    let weights = Weights::open(checkpoint)?;
    let mut meta = weights.prefix().as_os_str().to_owned();
    meta.push(".meta");
    let meta = PathBuf::from(meta);
    if meta.is_file() {
        return Ok(Some(Form::Meta(meta)));
    }
    let folder = if checkpoint.is_dir() { Some(checkpoint) } else { checkpoint.parent() };
    Ok(folder.map(graph_in).transpose()?.flatten().map(Form::Graph))
}

/// The only graph in a folder, or in the folders below it.
fn graph_in(folder: &Path) -> Result<Option<PathBuf>> {
    let mut graphs = graphs_in(folder, DEPTH);
    match graphs.len() {
        0 | 1 => Ok(graphs.pop()),
        _ => Err(Error::Ambiguous {
            what: format!("{}: there are several graphs; give one of them", folder.display()),
            candidates: graphs.iter().map(|graph| graph.display().to_string()).collect(),
        }),
    }
}

fn graphs_in(folder: &Path, depth: usize) -> Vec<PathBuf> {
    // A folder that cannot be read has no graphs that could be.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let own: Vec<PathBuf> = paths.iter().filter(|path| has_ending(path, "pb") && path.is_file()).cloned().collect();
    if !own.is_empty() || depth == 0 {
        return own;
    }
    let folders = paths.iter().filter(|path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()));
    folders.flat_map(|folder| graphs_in(folder, depth - 1)).collect()
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension() == Some(OsStr::new(ending))
}
