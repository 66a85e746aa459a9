//! Keras models: `.keras` archives of Keras 3 and of TensorFlow 2.13 to 2.15, `.h5` files of whole
//! models, and layers models of TensorFlow.js.
//!
//! ```text
//! .h5    ─▶ attribute model_config ─┐
//! .keras ─▶ config.json ────────────┴─▶ Model (config) ─▶ nodes (translate, layer) ─▶ GraphDef
//!             weights in HDF5 (weights) ─────────────────────▲
//! ```
//! Weights stay slices of the file. A layer that is not known becomes a node that cannot be run, so
//! that all of them are named together.

mod config;
mod layer;
mod tensorflow_js;
mod translate;
mod weights;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rawzip::{CompressionMethod, ZipArchive};

use self::config::Model;
use self::weights::Weights;
use crate::error::{Error, Result};
use crate::file::{MappedFile, map};
use crate::hdf5::{Hdf5, is_hdf5};
use crate::import::GraphDef;
use crate::memory;

/// The members of a `.keras` archive.
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";

/// The file of a TensorFlow.js model.
const TENSORFLOW_JS: &str = "model.json";

/// The attribute of a whole model's configuration.
const MODEL_CONFIG: &str = "model_config";

/// Returns true for an HDF5 file, for an archive with the members of a `.keras` file, and for the
/// `model.json` of TensorFlow.js.
pub(crate) fn is_keras(bytes: &[u8]) -> bool {
    is_hdf5(bytes) || is_archive(bytes) || tensorflow_js::is_model(bytes)
}

/// Returns the `model.json` of a TensorFlow.js model in a folder.
pub(crate) fn tensorflow_js_in(folder: &Path) -> Option<PathBuf> {
    let file = folder.join(TENSORFLOW_JS);
    let bytes = if file.is_file() { map(&file).ok()? } else { return None };
    tensorflow_js::is_model(&bytes).then_some(file)
}

/// Returns true if the archive at `path` is a `.keras` file.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn is_in(path: &Path) -> Result<bool> {
    Ok(is_archive(MappedFile::open(path)?.bytes()))
}

fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
        && [CONFIG, WEIGHTS].iter().all(|name| matches!(member(bytes, name), Ok(Some(_))))
}

/// Opens a model.
///
/// # Errors
/// If the file is damaged, has weights alone, or is not of a Sequential or functional model.
pub(crate) fn open(path: &Path) -> Result<GraphDef> {
    let file = MappedFile::open(path)?;
    let format = |what: String| Error::Format { path: path.into(), what };
    let read = match file.bytes() {
        bytes if is_hdf5(bytes) => read_h5(&file),
        bytes if tensorflow_js::is_model(bytes) => tensorflow_js::read(&file, path),
        _ => read_archive(&file),
    };
    let (nodes, interface) = read.map_err(format)?;
    let graph = crate::proto::GraphDef { node: nodes, versions: None };
    Ok(GraphDef::new(file, graph, path)?.with_interface(interface))
}

type Read = std::result::Result<translate::Translated, String>;

fn read_h5(file: &MappedFile) -> Read {
    let damaged = |what: String| format!("a damaged HDF5 file: {what}");
    let h5 = Hdf5::open(file.bytes().clone()).map_err(damaged)?;
    let root = h5.root().map_err(damaged)?;
    let text = |name: &str| -> std::result::Result<Option<String>, String> {
        Ok(root.texts(name).map_err(damaged)?.and_then(|texts| texts.into_iter().next()))
    };
    let Some(config) = text(MODEL_CONFIG)? else {
        let what = "an HDF5 file without a Keras model";
        let has_weights = matches!(root.texts("layer_names"), Ok(Some(_)))
            || ["layers", "_layer_checkpoint_dependencies"]
                .iter()
                .any(|group| matches!(h5.find(group), Ok(Some(_))));
        return Err(match has_weights {
            true => format!(
                "{what}: it has the weights alone (save_weights), and not the layers: save the \
                 whole model with model.save(\"model.keras\")"
            ),
            false => format!(
                "{what} (it has no attribute {MODEL_CONFIG}): save the whole model with \
                 model.save(\"model.keras\")"
            ),
        });
    };
    let version = text("keras_version")?.unwrap_or_default();
    let model = Model::parse(&config, &version)?;
    let weights = Weights::of_layers(&h5).map_err(damaged)?;
    translate::translate(&model, &weights, file.bytes().len())
}

fn read_archive(file: &MappedFile) -> Read {
    let bytes = file.bytes();
    let missing = |name: &str| format!("a .keras archive without {name}");
    let text = |name: &str| -> std::result::Result<Option<String>, String> {
        let Some(member) = member(bytes, name)? else { return Ok(None) };
        let content = member.content(bytes, bytes.len())?;
        Ok(Some(String::from_utf8_lossy(&content).into_owned()))
    };
    let config = text(CONFIG)?.ok_or_else(|| missing(CONFIG))?;
    let metadata = text("metadata.json")?.unwrap_or_default();
    let model = Model::parse(&config, &config::keras_version(&metadata))?;
    let member = member(bytes, WEIGHTS)?.ok_or_else(|| missing(WEIGHTS))?;
    let content = member.content(bytes, bytes.len())?;
    member.verify(&content, file)?;
    let damaged = |what: String| format!("{WEIGHTS} in it is damaged: {what}");
    let h5 = Hdf5::open(content).map_err(damaged)?;
    let weights = Weights::of_paths(&h5).map_err(damaged)?;
    translate::translate(&model, &weights, bytes.len())
}

/// A file in an archive.
struct Member {
    /// Where its bytes are in the archive.
    stored: std::ops::Range<usize>,
    is_deflated: bool,
    /// Bytes that the archive says the content has.
    size: u64,
    crc: u32,
}

/// Finds a file in an archive.
fn member(archive: &[u8], name: &str) -> std::result::Result<Option<Member>, String> {
    let damaged = |error: rawzip::Error| format!("not a zip, or a damaged one: {error}");
    let zip = ZipArchive::from_slice(archive).map_err(damaged)?;
    let mut entries = zip.entries();
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        let path = entry.file_path();
        let own: &[u8] = path.as_ref();
        if own != name.as_bytes() {
            continue;
        }
        let method = entry.compression_method();
        let wayfinder = entry.wayfinder();
        let content = zip.get_entry(wayfinder).map_err(damaged)?;
        let data = content.data();
        let start = data.as_ptr() as usize - archive.as_ptr() as usize;
        let (crc, size) = (entry.crc32(), entry.uncompressed_size_hint());
        let stored = start..start + data.len();
        return match method {
            CompressionMethod::STORE => Ok(Some(Member { stored, is_deflated: false, size, crc })),
            CompressionMethod::DEFLATE => Ok(Some(Member { stored, is_deflated: true, size, crc })),
            _ => Err(format!("'{name}' in it is compressed in another way than deflate")),
        };
    }
    Ok(None)
}

impl Member {
    /// Returns the content: a slice of the archive, or inflated to at most 64 MiB and 16 times
    /// `file_bytes`.
    fn content(&self, archive: &Bytes, file_bytes: usize) -> std::result::Result<Bytes, String> {
        let stored = archive.slice(self.stored.clone());
        if !self.is_deflated {
            return Ok(stored);
        }
        let limit = (file_bytes as u64).saturating_mul(16).saturating_add(64 << 20);
        if self.size > limit {
            return Err("a file in it is too large for the archive".into());
        }
        // A vector that grows has room for twice as much.
        memory::check("a file in it", 2 * self.size).map_err(|error| error.to_string())?;
        let mut content = Vec::new();
        flate2::bufread::DeflateDecoder::new(&stored[..])
            .take(self.size + 1)
            .read_to_end(&mut content)
            .map_err(|error| format!("a file in it cannot be inflated: {error}"))?;
        if content.len() as u64 > self.size {
            return Err("a file in it is longer than the archive says".into());
        }
        Ok(content.into())
    }

    /// Compares the content with its checksum. Pages of `file` are given back at once.
    fn verify(&self, content: &[u8], file: &MappedFile) -> std::result::Result<(), String> {
        const PIECE: usize = 8 << 20;
        let mut crc = flate2::Crc::new();
        for piece in content.chunks(PIECE) {
            crc.update(piece);
            if file.contains(piece) {
                file.release(piece);
            }
        }
        match crc.sum() == self.crc {
            true => Ok(()),
            false => Err(format!("{WEIGHTS} in it is damaged: its checksum is wrong")),
        }
    }
}
