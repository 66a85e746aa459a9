//! Models as a user names them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::catalogue::{self, EMBEDDED_NAME};
use crate::error::{Error, Result};
use crate::model::{Model, ModelOptions};
use crate::model_store::{ModelStore, with_suffix};

/// A model as a user names it: by nothing, by the name it was published under, or by a path.
///
/// ```
/// use lorgnette::{ModelOptions, ModelRef};
///
/// # fn main() -> Result<(), lorgnette::Error> {
/// let model = ModelRef::parse("mobilenet_v1_1.0_224")?.open(&ModelOptions::default())?;
/// assert_eq!(model.labels().len(), 1001);
/// assert_eq!(ModelRef::parse("vgg_16")?, ModelRef::Published("vgg_16".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ModelRef {
    /// The embedded network, which is used if no model is named.
    #[default]
    Embedded,
    /// A published model, by its name in the [catalogue](catalogue). It is opened from the model
    /// store.
    Published(String),
    /// A path that [`Model::open`] takes.
    File(PathBuf),
}

impl ModelRef {
    /// Identifies the model that `name` names: the embedded network; a path, which may be the
    /// prefix of a checkpoint's files or lead into an archive; a published model. A path comes
    /// before a published model of the same name. Looks for files, but opens none.
    ///
    /// # Errors
    /// [`lorgnette_net::Error::Unknown`] with the nearest names if it is none of these.
    pub fn parse(name: impl AsRef<OsStr>) -> Result<Self> {
        let name = name.as_ref();
        if name == EMBEDDED_NAME {
            return Ok(Self::Embedded);
        }
        let path = PathBuf::from(name);
        if path.exists() || with_suffix(&path, ".index").exists() {
            return Ok(Self::File(path));
        }
        // Names contain no folders; anything else is a path.
        let name = name.to_str().filter(|name| !name.contains(['/', '\\'])).unwrap_or_default();
        match catalogue::find(name) {
            Ok(entry) => Ok(Self::Published(entry.name)),
            Err(_) if is_prefix(&path) => Ok(Self::File(path)),
            Err(error) if !name.is_empty() => Err(error),
            Err(_) => {
                let path = path.display().to_string();
                Err(lorgnette_net::Error::unknown("model", &path, []).into())
            }
        }
    }

    /// Opens the model. A published one is opened from the options' model store.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] for a published model that is not in the store; as [`Model::open`].
    pub fn open(&self, options: &ModelOptions) -> Result<Model> {
        match self {
            #[cfg(feature = "embedded")]
            Self::Embedded => Model::embedded(options),
            #[cfg(not(feature = "embedded"))]
            Self::Embedded => Err(Error::Model {
                model: EMBEDDED_NAME.into(),
                what: "this program was built without it".into(),
            }),
            Self::File(path) => Model::open(path, options)?.check_integers(options),
            Self::Published(name) => {
                let entry = catalogue::find(name)?;
                let path = installed(&entry, options.model_store.as_ref())?;
                entry.open_file(&path, options)?.check_integers(options)
            }
        }
    }

    /// The path of the model's file or folder; `None` for the embedded network.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] for a published model that is not in `model_store`.
    pub fn path(&self, model_store: Option<&ModelStore>) -> Result<Option<PathBuf>> {
        match self {
            Self::Embedded => Ok(None),
            Self::File(path) => Ok(Some(path.clone())),
            Self::Published(name) => installed(&catalogue::find(name)?, model_store).map(Some),
        }
    }

    /// True if the model is the embedded network, or its file exists. False for a path that is
    /// taken for a checkpoint's prefix because other files begin with it.
    #[must_use]
    pub fn exists(&self, model_store: Option<&ModelStore>) -> bool {
        match self {
            Self::File(path) => path.exists() || with_suffix(path, ".index").exists(),
            _ => self.path(model_store).is_ok(),
        }
    }
}

fn installed(entry: &catalogue::Entry, model_store: Option<&ModelStore>) -> Result<PathBuf> {
    let installed = model_store.and_then(|model_store| model_store.installed(entry));
    installed.ok_or_else(|| Error::NotInstalled {
        model: entry.name.clone(),
        path: model_store.map(|model_store| model_store.path(entry)),
    })
}

/// True if files have this path as a prefix, as a checkpoint's do, or it leads into a file, as into
/// an archive.
fn is_prefix(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_longer = |file: OsString| {
        let rest = file.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        rest.and_then(<[u8]>::first).is_some_and(|next| matches!(next, b'.' | b'-'))
    };
    let has_files = folder
        .read_dir()
        .is_ok_and(|entries| entries.flatten().any(|entry| is_longer(entry.file_name())));
    has_files || path.ancestors().skip(1).any(Path::is_file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_and_paths_are_distinguished() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["graph.pb", "v2.ckpt.index", "v1.ckpt-17.data-00000-of-00001", "vgg_16"] {
            fs::write(path(name), "").unwrap();
        }
        for name in ["graph.pb", "v2.ckpt", "v1.ckpt-17", "vgg_16", "graph.pb/inside"] {
            assert_eq!(ModelRef::parse(path(name)).unwrap(), ModelRef::File(path(name)), "{name}");
        }
        assert_eq!(ModelRef::parse(EMBEDDED_NAME).unwrap(), ModelRef::Embedded);
        fs::write(path("lenet.svg"), "").unwrap();
        assert!(!ModelRef::parse(path("lenet")).unwrap().exists(None));
        assert!(ModelRef::parse(path("v2.ckpt")).unwrap().exists(None));
        let published = ModelRef::parse("resnet_v2_50_2017_04_14.tar.gz").unwrap();
        assert_eq!(published, ModelRef::Published("resnet_v2_50".into()));
    }

    #[test]
    fn an_unknown_name_is_reported_with_the_nearest() {
        let message = |name: &str| ModelRef::parse(name).unwrap_err().to_string();
        assert!(message("vgg_61").contains("vgg_16"), "{}", message("vgg_61"));
        assert_eq!(message("no/such/file.pb"), "there is no model 'no/such/file.pb'");
    }

    #[test]
    fn a_published_model_that_is_not_installed_says_where_it_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let options = ModelOptions {
            model_store: Some(ModelStore::new(folder.path())),
            ..ModelOptions::default()
        };
        let model_ref = ModelRef::parse("vgg_16").unwrap();
        let error = model_ref.open(&options).unwrap_err();
        let Error::NotInstalled { model, path: Some(path) } = &error else { panic!("{error}") };
        assert!(model == "vgg_16" && path.starts_with(folder.path()));
        let error = model_ref.open(&ModelOptions::default()).unwrap_err();
        assert!(matches!(error, Error::NotInstalled { path: None, .. }), "{error}");
    }
}
