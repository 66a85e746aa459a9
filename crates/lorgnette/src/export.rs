//! Export of a model with its labels, for TensorFlow and ONNX Runtime.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lorgnette_net::file::read_regular_text;
use lorgnette_net::write_atomically;

use crate::error::Error;
use crate::labels::LabelsError;
use crate::model::Model;

/// Extension of the labels' file in place of the model's: `flowers.pb` has `flowers.labels.txt`.
pub const LABELS_EXTENSION: &str = "labels.txt";

/// File format of an exported model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExportFormat {
    /// A GraphDef whose variables are constants.
    Frozen,
    /// A V2 checkpoint.
    Checkpoint,
    /// ONNX, operator set 18.
    Onnx,
}

impl ExportFormat {
    /// Its extension: `pb`, `ckpt` or `onnx`.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Frozen => "pb",
            Self::Checkpoint => "ckpt",
            Self::Onnx => "onnx",
        }
    }
}

impl FromStr for ExportFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "frozen" => Ok(Self::Frozen),
            "checkpoint" => Ok(Self::Checkpoint),
            "onnx" => Ok(Self::Onnx),
            _ => Err(format!("{name:?} is no format: choose one of onnx, frozen, checkpoint")),
        }
    }
}

/// Why a model cannot be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The name of the file has the extension of another format.
    #[error("{path}: end the name in .{extension}, or name a folder", path = .path.display())]
    Extension {
        /// The file.
        path: PathBuf,
        /// The extension of the format.
        extension: &'static str,
    },
    /// The folder cannot be created.
    #[error("{path}: the folder cannot be made: {source}", path = .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There are labels of another model of this name.
    #[error("{}: there are other labels already: choose another name", .path.display())]
    OtherLabels {
        /// The file of labels.
        path: PathBuf,
    },
    /// The labels cannot be written.
    #[error("{path}: cannot be written: {source}", path = .path.display())]
    Write {
        /// The file of labels.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The labels have no place in a file of one line each.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// The model cannot be written in this format.
    #[error(transparent)]
    Model(#[from] Error),
}

impl Model {
    /// Writes the model to `out`, and its labels beside it, in a file of the same name with
    /// [`LABELS_EXTENSION`]. If `out` is a folder or has no extension, the file in it is named
    /// after the model. Other labels that are there are replaced only if `replaces_labels`. Returns
    /// the path of the file.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn export(
        &self,
        out: &Path,
        format: ExportFormat,
        replaces_labels: bool,
    ) -> Result<PathBuf, ExportError> {
        let path = self.export_path(out, format)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)
                .map_err(|source| ExportError::Folder { path: folder.into(), source })?;
        }
        if !self.labels().is_empty() {
            self.write_labels(&path, replaces_labels)?;
        }
        match format {
            ExportFormat::Frozen => self.write_frozen(&path)?,
            ExportFormat::Checkpoint => self.write_checkpoint(&path)?,
            ExportFormat::Onnx => self.write_onnx(&path)?,
        }
        Ok(path)
    }

    fn export_path(&self, out: &Path, format: ExportFormat) -> Result<PathBuf, ExportError> {
        let extension = format.extension();
        match out.extension() {
            Some(other) if !out.is_dir() && other != extension => {
                Err(ExportError::Extension { path: out.into(), extension })
            }
            Some(_) if !out.is_dir() => Ok(out.into()),
            _ => Ok(out.join(format!("{}.{extension}", self.name()))),
        }
    }

    /// Writes the labels beside a file of the model, where [`Model::open`] finds them. Returns
    /// their path.
    ///
    /// # Errors
    /// [`ExportError::OtherLabels`] if there are others and `replaces_others` is false;
    /// [`ExportError::Write`], [`ExportError::Labels`].
    pub fn write_labels(
        &self,
        model: &Path,
        replaces_others: bool,
    ) -> Result<PathBuf, ExportError> {
        let path = &model.with_extension(LABELS_EXTENSION);
        let text = self.labels().to_text(&path.display().to_string())?;
        if !replaces_others && read_regular_text(path, u64::MAX).is_ok_and(|other| other != text) {
            return Err(ExportError::OtherLabels { path: path.into() });
        }
        write_atomically(path, text.as_bytes())
            .map_err(|source| ExportError::Write { path: path.into(), source })?;
        Ok(path.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelOptions;

    /// A small network with random weights, and labels.
    fn model() -> Model {
        let options = ModelOptions { size: Some([32, 32]), ..ModelOptions::default() };
        Model::with_random_weights(lorgnette_net::zoo::find("mobilenet_v1_025").unwrap(), &options)
            .unwrap()
    }

    #[test]
    fn a_folder_gets_a_file_of_the_models_name() {
        let (folder, model) = (tempfile::tempdir().unwrap(), model());
        let out = folder.path().join("new");
        let path = model.export(&out, ExportFormat::Checkpoint, false).unwrap();
        assert_eq!(path, out.join(format!("{}.ckpt", model.name())));
        assert!(out.join(format!("{}.ckpt.index", model.name())).is_file());
        let named = folder.path().join("other.onnx");
        assert_eq!(model.export(&named, ExportFormat::Onnx, false).unwrap(), named);
        assert!(named.is_file());
        let error = model.export(&named, ExportFormat::Frozen, false).unwrap_err();
        assert!(matches!(error, ExportError::Extension { extension: "pb", .. }), "{error}");
    }

    #[test]
    fn labels_of_another_model_are_replaced_only_on_request() {
        let (folder, model) = (tempfile::tempdir().unwrap(), model());
        assert!(!model.labels().is_empty(), "the test needs labels");
        let path = folder.path().join(format!("{}.{LABELS_EXTENSION}", model.name()));
        fs::write(&path, "cat\ndog\n").unwrap();
        let error = model.export(folder.path(), ExportFormat::Frozen, false).unwrap_err();
        assert!(matches!(error, ExportError::OtherLabels { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "cat\ndog\n");
        model.export(folder.path(), ExportFormat::Frozen, true).unwrap();
        let labels = fs::read_to_string(&path).unwrap();
        assert_eq!(labels.lines().count(), model.labels().len());
        model.export(folder.path(), ExportFormat::Frozen, false).unwrap();
    }

    #[test]
    fn labels_that_a_label_file_gave_stay_with_the_graph() {
        let folder = tempfile::tempdir().unwrap();
        let names = folder.path().join("names.txt");
        fs::write(&names, (0..1001).map(|n| format!("thing {n}\n")).collect::<String>()).unwrap();
        let options = ModelOptions {
            labels: Some(names),
            preprocess: Some(crate::preprocess::Preprocessing::Caffe),
            mean: Some([1.0, 2.0, 3.5]),
            ..ModelOptions::default()
        };
        let model = Model::embedded(&options).unwrap();
        assert!(model.has_own_names() && !self::model().has_own_names());
        let path = folder.path().join("m.pb");
        model.write_frozen(&path).unwrap();
        let again = Model::open(&path, &ModelOptions::default()).unwrap();
        assert_eq!(again.labels(), model.labels());
        assert_eq!(again.preprocess(), model.preprocess());
    }
}
