//! Label files in the folder of a graph.

use std::path::{Path, PathBuf};

use super::{Labels, LabelsError};

/// The label map of the 2015 graph, and the names of its synsets.
pub(super) const MAP: &str = "imagenet_2012_challenge_label_map_proto.pbtxt";
pub(super) const NAMES: &str = "imagenet_synset_to_human_label_map.txt";
/// Names of label lists written by retraining scripts and TF-Slim's dataset scripts.
const LISTS: [&str; 4] =
    ["labels.txt", "retrained_labels.txt", "output_labels.txt", "label_map.pbtxt"];

/// Teachable Machine's description of a model, with the whole names of its classes.
const METADATA: &str = "metadata.json";

/// The label files found.
#[derive(Debug, Default)]
pub(crate) struct SidecarLabels {
    /// The labels, and their file.
    pub(crate) labels: Option<(Labels, PathBuf)>,
    /// Reasons why other label files are not used.
    pub(crate) notes: Vec<String>,
}

impl SidecarLabels {
    /// Finds the first label file that fits a network of `outputs` outputs, in the folder of
    /// `model`.
    pub(crate) fn find(model: &Path, outputs: usize) -> Self {
        let mut sidecar = Self::default();
        for path in candidates(model).into_iter().filter(|path| path.is_file()) {
            match Labels::open_for(&path, outputs) {
                Ok(labels) => {
                    sidecar.labels = Some((labels, path));
                    break;
                }
                Err(error) => sidecar.notes.push(format!("{error} (not used)")),
            }
        }
        sidecar
    }
}

fn candidates(model: &Path) -> Vec<PathBuf> {
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    let own = [format!("{stem}.labels.txt"), format!("{stem}_labels.txt")];
    let names = own.into_iter().chain([MAP.to_owned()]).chain(LISTS.map(str::to_owned));
    let folder = model.parent().unwrap_or(Path::new(""));
    let mut folders = vec![folder.to_owned()];
    // Files of a SavedModel are in its folder of assets, or beside it.
    if model.ends_with("saved_model.pb") {
        folders.extend(
            [Some(folder.join("assets")), folder.parent().map(Path::to_owned)]
                .into_iter()
                .flatten(),
        );
    }
    let mut names: Vec<String> = names.collect();
    // Teachable Machine's export for TensorFlow.js.
    if model.ends_with("model.json") {
        names.insert(0, METADATA.to_owned());
    }
    let within = |folder: PathBuf| names.iter().map(move |name| folder.join(name));
    folders.into_iter().flat_map(within).collect()
}

/// The label file of a folder, by its name.
pub(super) fn in_folder(folder: &Path) -> Result<PathBuf, LabelsError> {
    let known = std::iter::once(MAP).chain(LISTS).map(|name| folder.join(name));
    known.into_iter().find(|path| path.is_file()).ok_or_else(|| LabelsError::NotLabels {
        name: folder.display().to_string(),
        what: format!("there is neither {MAP} nor {} in this folder", LISTS[0]),
    })
}
