//! Files beside a model that hold the elements of its initialisers.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

use super::proto::StringStringEntryProto;
use crate::file::MappedFile;

/// The files that have been mapped so far. Only files below the model's folder are opened.
#[derive(Debug)]
pub(super) struct ExternalFiles {
    /// The model's folder; `None` for a model in memory, which has no files beside it.
    folder: Option<PathBuf>,
    mapped: HashMap<String, MappedFile>,
}

impl ExternalFiles {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, mapped: HashMap::new() }
    }

    /// The `wanted` bytes that the entries `location`, `offset` and `length` describe, and their
    /// file.
    pub(super) fn slice(
        &mut self,
        entries: &[StringStringEntryProto],
        wanted: usize,
    ) -> Result<(Bytes, MappedFile), String> {
        let entry = |key: &str| entries.iter().find(|entry| entry.key == key);
        let location = entry("location").ok_or("its values are in a file that is not named")?;
        let location = location.value.as_str();
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(entry) => {
                let what =
                    || format!("its values in '{location}' have the {key} '{}'", entry.value);
                entry.value.parse::<usize>().map(Some).map_err(|_| what())
            }
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        if length.is_some_and(|length| length != wanted) {
            let length = length.unwrap_or(0);
            return Err(format!(
                "{length} bytes of values in '{location}' where {wanted} are needed"
            ));
        }
        let file = self.open(location)?;
        let end = offset.checked_add(wanted).filter(|&end| end <= file.bytes().len());
        let end = end.ok_or_else(|| {
            let have = file.bytes().len();
            format!(
                "'{location}' has {have} bytes and not {wanted} from {offset} on: it is not whole"
            )
        })?;
        Ok((file.bytes().slice(offset..end), file))
    }

    fn open(&mut self, location: &str) -> Result<MappedFile, String> {
        if let Some(file) = self.mapped.get(location) {
            return Ok(file.clone());
        }
        let folder = self.folder.as_deref();
        let folder = folder.ok_or("its values are in another file, and the model is in memory")?;
        let path = resolve(folder, location)?;
        let file = MappedFile::open(&path).map_err(|error| error.to_string())?;
        self.mapped.insert(location.to_owned(), file.clone());
        Ok(file)
    }
}

/// The file that a location names, which must be a regular file below the model's folder.
fn resolve(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let outside = || {
        format!(
            "its values are said to be in '{location}', which is outside the model's folder: \
             refused"
        )
    };
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    // Other systems divide paths by a backslash, or begin them with a drive.
    if !Path::new(location).components().all(is_plain) || location.contains(['\\', ':', '\0']) {
        return Err(outside());
    }
    let path = folder.join(location);
    let missing = |error: std::io::Error| {
        format!("its values are in {}, which cannot be opened: {error}", path.display())
    };
    let (folder, path) =
        (folder.canonicalize().map_err(missing)?, path.canonicalize().map_err(missing)?);
    if !path.starts_with(&folder) {
        return Err(outside());
    }
    if !path.is_file() {
        return Err(format!("its values are said to be in {}, which is no file", path.display()));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_below_the_folder_are_opened() {
        let top = std::env::temp_dir().join(format!("lorgnette-external-{}", std::process::id()));
        let folder = top.join("model");
        std::fs::create_dir_all(folder.join("deep")).unwrap();
        std::fs::write(top.join("secret"), "x").unwrap();
        std::fs::write(folder.join("deep/data"), "x").unwrap();
        assert!(resolve(&folder, "deep/data").is_ok());
        let absolute = folder.join("deep/data").display().to_string();
        for location in
            ["../secret", "deep/../../secret", "..\\secret", "C:secret", &absolute, "deep", "gone"]
        {
            assert!(resolve(&folder, location).is_err(), "{location}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(top.join("secret"), folder.join("link")).unwrap();
            assert!(resolve(&folder, "link").is_err());
        }
        std::fs::remove_dir_all(top).unwrap();
    }
}
