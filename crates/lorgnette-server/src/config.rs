//! Which models are served: names, places, versions and labels.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lorgnette::ModelRef;

use crate::text_proto::{self, FieldValue, Message};

/// A model to serve.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The name in requests.
    pub name: String,
    /// Where its versions are.
    pub source: ModelSource,
    /// Which versions are served.
    pub policy: VersionPolicy,
    /// Names of versions.
    pub labels: BTreeMap<String, u64>,
}

/// Where a model is.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelSource {
    /// The embedded network or a published one, as version 1.
    Ref(ModelRef),
    /// A folder with a folder or a file for each version, named by numbers; or a model, as version
    /// 1.
    Path(PathBuf),
}

/// Which versions of a model are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionPolicy {
    /// The newest few.
    Latest(usize),
    /// All.
    All,
    /// These.
    Specific(Vec<u64>),
}

impl Default for VersionPolicy {
    fn default() -> Self {
        Self::Latest(1)
    }
}

/// Checks the name of a model: it becomes a part of URLs.
///
/// # Errors
/// The reason.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_wrong = |c: char| matches!(c, '/' | ':' | '\\' | '?' | '#') || c.is_control();
    if name.is_empty() || name == "." || name == ".." || name.contains(is_wrong) {
        return Err(format!("'{name}' is no name for a model: it becomes a part of URLs"));
    }
    Ok(())
}

impl ModelConfig {
    /// Configures a model with the newest version and no labels.
    #[must_use]
    pub fn new(name: impl Into<String>, source: ModelSource) -> Self {
        let (policy, labels) = (VersionPolicy::default(), BTreeMap::new());
        Self { name: name.into(), source, policy, labels }
    }

    /// Reads a file of TensorFlow Serving's `--model_config_file`.
    ///
    /// # Errors
    /// The file, the line and the fault.
    pub fn read(path: &Path) -> Result<Vec<Self>, String> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|error| format!("{shown}: {error}"))
    }

    /// Parses a `ModelServerConfig` in text form; relative paths begin at `folder`.
    ///
    /// # Errors
    /// The line and the fault.
    pub fn parse(text: &str, folder: &Path) -> Result<Vec<Self>, String> {
        let mut models = Vec::new();
        for (name, value) in &text_proto::parse(text)? {
            match (name.as_str(), value) {
                ("model_config_list", FieldValue::Message(list)) => {
                    for (name, value) in list {
                        let FieldValue::Message(fields) = value else {
                            return Err(format!("'{name}' is no message"));
                        };
                        if name != "config" {
                            return Err(format!("a model_config_list has no field '{name}'"));
                        }
                        models.push(Self::from_fields(fields, folder)?);
                    }
                }
                ("custom_model_config", _) => {
                    return Err("a custom_model_config is not supported".into());
                }
                _ => return Err(format!("a model server's configuration has no field '{name}'")),
            }
        }
        check_names(&models)?;
        Ok(models)
    }

    fn from_fields(fields: &Message, folder: &Path) -> Result<Self, String> {
        let (mut name, mut path) = (String::new(), None);
        let (mut policy, mut labels) = (VersionPolicy::default(), BTreeMap::new());
        for (field, value) in fields {
            match (field.as_str(), value) {
                ("name", FieldValue::String(value)) => name.clone_from(value),
                ("base_path", FieldValue::String(value)) => path = Some(folder.join(value)),
                ("model_version_policy", FieldValue::Message(fields)) => {
                    policy = version_policy(fields)?;
                }
                ("version_labels", FieldValue::Message(entry)) => {
                    let (label, version) = label(entry)?;
                    labels.insert(label, version);
                }
                // Everything here is a network that TensorFlow could have written.
                ("model_platform" | "model_type" | "logging_config", _) => {}
                _ => return Err(format!("a model's config has no field '{field}' of this kind")),
            }
        }
        check_name(&name)?;
        let path = path.ok_or_else(|| format!("model '{name}' has no base_path"))?;
        Ok(Self { name, source: ModelSource::Path(path), policy, labels })
    }

    /// Finds the models in a folder: one for each folder or file in it, named by it without its
    /// extension; or the folder itself, if it has versions.
    ///
    /// # Errors
    /// If the folder cannot be read or has no models.
    pub fn in_folder(folder: &Path) -> Result<Vec<Self>, String> {
        let shown = folder.display();
        if !versions_in(folder).is_empty() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            check_name(&name)?;
            return Ok(vec![Self::new(name, ModelSource::Path(folder.into()))]);
        }
        let entries = folder.read_dir().map_err(|error| format!("{shown}: {error}"))?;
        let mut models = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| format!("{shown}: {error}"))?.path();
            let file_name = path.file_name().unwrap_or_default().to_string_lossy();
            if file_name.starts_with('.') || !(path.is_dir() || is_model_file(&path)) {
                continue;
            }
            let name = match path.is_dir() {
                true => &*file_name,
                false => file_name.rsplit_once('.').map_or(&*file_name, |(stem, _)| stem),
            };
            check_name(name)?;
            models.push(Self::new(name, ModelSource::Path(path.clone())));
        }
        models.sort_by(|a, b| a.name.cmp(&b.name));
        if models.is_empty() {
            return Err(format!("{shown}: there is no model in this folder"));
        }
        check_names(&models)?;
        Ok(models)
    }

    /// The versions to serve, with their paths; of embedded and published networks without.
    pub(crate) fn wanted(&self) -> BTreeMap<u64, Option<PathBuf>> {
        let path = match &self.source {
            ModelSource::Ref(_) => return BTreeMap::from([(1, None)]),
            ModelSource::Path(path) => path,
        };
        let mut versions = versions_in(path);
        if versions.is_empty() && path.exists() && !is_empty_folder(path) {
            return BTreeMap::from([(1, Some(path.clone()))]);
        }
        match &self.policy {
            VersionPolicy::All => {}
            VersionPolicy::Latest(count) => {
                while versions.len() > *count {
                    versions.pop_first();
                }
            }
            VersionPolicy::Specific(wanted) => {
                versions.retain(|version, _| wanted.contains(version));
            }
        }
        versions.into_iter().map(|(version, path)| (version, Some(path))).collect()
    }
}

/// Checks that no two models have one name.
///
/// # Errors
/// The name that occurs twice.
pub fn check_names(models: &[ModelConfig]) -> Result<(), String> {
    let mut names = std::collections::BTreeSet::new();
    match models.iter().find(|model| !names.insert(&model.name)) {
        Some(model) => Err(format!("two models are named '{}'", model.name)),
        None => Ok(()),
    }
}

fn is_model_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    matches!(extension, "pb" | "onnx" | "tflite" | "plan" | "meta")
}

fn is_empty_folder(path: &Path) -> bool {
    path.is_dir() && path.read_dir().is_ok_and(|mut entries| entries.next().is_none())
}

/// The entries of a folder that are named by numbers.
fn versions_in(folder: &Path) -> BTreeMap<u64, PathBuf> {
    let Ok(entries) = folder.read_dir() else { return BTreeMap::new() };
    let numbered = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        Some((is_number.then(|| name.parse().ok()).flatten()?, path))
    };
    entries.flatten().filter_map(|entry| numbered(entry.path())).collect()
}

fn version_policy(fields: &Message) -> Result<VersionPolicy, String> {
    let [(kind, FieldValue::Message(fields))] = &fields[..] else {
        return Err("a model_version_policy has one of latest, all and specific".into());
    };
    let numbers = |name: &str| -> Result<Vec<u64>, String> {
        let values = fields.iter().filter(|(field, _)| field == name);
        values.map(|(_, value)| number(name, value)).collect()
    };
    match kind.as_str() {
        "all" => Ok(VersionPolicy::All),
        "latest" => {
            let count = numbers("num_versions")?.last().map_or(1, |&count| count as usize);
            Ok(VersionPolicy::Latest(count.max(1)))
        }
        "specific" => Ok(VersionPolicy::Specific(numbers("versions")?)),
        other => Err(format!("a model_version_policy has no field '{other}'")),
    }
}

fn label(entry: &Message) -> Result<(String, u64), String> {
    let (mut key, mut version) = (None, None);
    for (field, value) in entry {
        match (field.as_str(), value) {
            ("key", FieldValue::String(text)) => key = Some(text.clone()),
            ("value", value) => version = Some(number("value", value)?),
            _ => return Err(format!("version_labels have no field '{field}' of this kind")),
        }
    }
    key.zip(version).ok_or_else(|| "version_labels need a key and a value".into())
}

fn number(field: &str, value: &FieldValue) -> Result<u64, String> {
    let FieldValue::Word(word) = value else { return Err(format!("'{field}' is no number")) };
    word.parse().map_err(|_| format!("'{field}: {word}' is no version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_config_file_is_read() {
        let text = r#"
            model_config_list {
              config {
                name: "flowers" base_path: "flowers" model_platform: "tensorflow"
                model_version_policy { specific { versions: 3 versions: 5 } }
                version_labels { key: "stable" value: 3 }
                version_labels { key: "canary" value: 5 }
              }
              config {
                name: 'b' base_path: '/models/b' model_version_policy { latest { num_versions: 2 } }
              }
              config { name: 'c' base_path: '/models/c' model_version_policy { all {} } }
            }"#;
        let models = ModelConfig::parse(text, Path::new("/etc")).expect("it is right");
        assert_eq!(models[0].source, ModelSource::Path("/etc/flowers".into()));
        assert_eq!(models[0].policy, VersionPolicy::Specific(vec![3, 5]));
        assert_eq!(models[0].labels["canary"], 5);
        assert_eq!(models[1].policy, VersionPolicy::Latest(2));
        assert_eq!(models[2].policy, VersionPolicy::All);
    }

    #[test]
    fn faults_of_a_config_file_are_named() {
        for (text, part) in [
            ("model_config_list { config { name: 'a' } }", "no base_path"),
            ("model_config_list { config { base_path: 'a' } }", "no name"),
            ("model_config_list { config { name: 'a/b' base_path: 'a' } }", "no name"),
            ("model_config_list { config { name: 'a' speed: 3 } }", "'speed'"),
            ("models {}", "'models'"),
            ("custom_model_config {}", "custom_model_config"),
            (
                "model_config_list { config { name: 'a' base_path: 'b' }
                                     config { name: 'a' base_path: 'c' } }",
                "two models",
            ),
            ("model_config_list {", "does not end"),
        ] {
            let error = ModelConfig::parse(text, Path::new("")).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_newest_version_is_wanted() {
        let folder = tempfile::tempdir().expect("a folder");
        for version in ["1", "20", "3", "notes", "4x"] {
            std::fs::create_dir(folder.path().join(version)).expect("a folder");
        }
        let path = ModelSource::Path(folder.path().into());
        let mut model = ModelConfig::new("m", path);
        assert_eq!(model.wanted().into_keys().collect::<Vec<_>>(), [20]);
        model.policy = VersionPolicy::Latest(2);
        assert_eq!(model.wanted().into_keys().collect::<Vec<_>>(), [3, 20]);
        model.policy = VersionPolicy::Specific(vec![1, 2]);
        assert_eq!(model.wanted().into_keys().collect::<Vec<_>>(), [1]);
    }
}
