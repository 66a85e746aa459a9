//! Which class a folder of photos is of, by its name.

use super::{Label, Labels};

/// Why a folder's name does not tell its class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FolderClassError {
    /// No class is called so.
    #[error("no class of the model is called '{0}'")]
    Unknown(String),
    /// Several are.
    #[error("'{name}' may be {}: name the folder by its synset or its index", .meanings.join(" or "))]
    Ambiguous {
        /// The folder's name.
        name: String,
        /// The classes, with synset or index.
        meanings: Vec<String>,
    },
}

impl Labels {
    /// The class that a folder of photos is of. It may be called by the class's name, by one of its
    /// names, its synset or its index; with underscores for spaces; or as data sets call theirs,
    /// `n02085620-Chihuahua` or `257.clutter`.
    ///
    /// # Errors
    /// [`FolderClassError`] if no class is called so, or several are.
    pub fn class_of_folder(&self, folder: &str) -> Result<usize, FolderClassError> {
        // As it is written: a model trained on these folders may tell Polish from polish.
        let mut exactly = self.iter().filter(|label| label.name == folder);
        if let (Some(label), None) = (exactly.next(), exactly.next()) {
            return Ok(label.index);
        }
        let spaced = folder.replace('_', " ");
        let names = [Some(folder), Some(spaced.as_str()), synset(folder), numbered(&spaced)];
        let found = names.into_iter().flatten().find_map(|name| self.named(name));
        match found.as_deref() {
            None => Err(FolderClassError::Unknown(folder.into())),
            Some([label]) => Ok(label.index),
            Some(several) => {
                let meanings = several.iter().map(meaning).collect();
                Err(FolderClassError::Ambiguous { name: folder.into(), meanings })
            }
        }
    }
}

fn meaning(label: &Label<'_>) -> String {
    let index = label.index.to_string();
    format!("'{}' ({})", label.name, label.synset.unwrap_or(&index))
}

/// The synset that a name begins with.
fn synset(name: &str) -> Option<&str> {
    let (synset, _) = name.split_once(['-', '_', ' '])?;
    let digits = synset.strip_prefix('n')?;
    (digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(synset)
}

/// What comes behind a number and a full stop.
fn numbered(name: &str) -> Option<&str> {
    let (number, rest) = name.split_once('.')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_known_however_they_are_called() {
        let labels = Labels::imagenet(1001).unwrap();
        for name in [
            "n01440764",
            "tench",
            "tench, Tinca tinca",
            "TENCH",
            "1",
            "n01440764-tench",
            "001.tench",
        ] {
            assert_eq!(labels.class_of_folder(name), Ok(1), "{name}");
        }
        assert_eq!(labels.class_of_folder("great_white_shark"), Ok(3));
    }

    #[test]
    fn names_as_they_are_written_come_first() {
        let labels = Labels::from_names(["polish", "Polish", "1", "0"]);
        assert_eq!(
            ["polish", "Polish", "1", "0"].map(|name| labels.class_of_folder(name).unwrap()),
            [0, 1, 2, 3]
        );
    }

    #[test]
    fn what_is_unknown_or_ambiguous_is_said() {
        let labels = Labels::imagenet(1000).unwrap();
        assert_eq!(labels.class_of_folder("roses"), Err(FolderClassError::Unknown("roses".into())));
        let error = labels.class_of_folder("crane").unwrap_err().to_string();
        assert!(error.contains("n02012849") && error.contains("n03126707"), "{error}");
    }
}
