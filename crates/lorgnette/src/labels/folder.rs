//! The class of a folder of photos, by its name.

use super::{Label, Labels};
use crate::photos::nfc;

/// Why a folder's name does not identify a class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FolderClassError {
    /// No class has this name.
    #[error("no class of the model is called '{0}'")]
    Unknown(String),
    /// Several classes have this name.
    #[error(
        "'{name}' may be {}: name the folder by its synset or its index",
        .meanings.join(" or ")
    )]
    Ambiguous {
        /// The folder's name.
        name: String,
        /// The classes, with synset or index.
        meanings: Vec<String>,
    },
}

impl Labels {
    /// Finds the class of a folder of photos. The name may be the class's full name, a synonym,
    /// synset or index; with underscores for spaces; or as in data sets, `n02085620-Chihuahua` or
    /// `257.clutter`.
    ///
    /// # Errors
    /// [`FolderClassError`] if no class has the name, or several have.
    pub fn class_of_folder(&self, folder: &str) -> Result<usize, FolderClassError> {
        let folder = &*nfc(folder);
        // Case counts first: a model trained on these folders may distinguish Polish from polish.
        let mut exactly = self.iter().filter(|label| nfc(label.name) == folder);
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

/// The synset at the start of a name.
fn synset(name: &str) -> Option<&str> {
    let (synset, _) = name.split_once(['-', '_', ' '])?;
    let digits = synset.strip_prefix('n')?;
    (digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(synset)
}

/// The part after a number and a full stop.
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
    fn composed_and_decomposed_letters_are_one_name() {
        let labels = Labels::from_names(["cafe\u{301}", "th\u{e9}"]);
        for (name, index) in
            [("caf\u{e9}", 0), ("cafe\u{301}", 0), ("the\u{301}", 1), ("TH\u{c9}", 1)]
        {
            assert_eq!(labels.class_of_folder(name), Ok(index), "{name}");
        }
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
