//! Notes about a dataset: what was left out, and what makes training hard.

use std::fmt;
use std::path::PathBuf;

use super::{LabelNumbers, NumberingRule, Split};

/// Number of classes that a message names.
const MAX_NAMED: usize = 10;

/// A note about a dataset. Its text is a message for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// Photos in folders within a class's folder are not used.
    NestedPhotos {
        /// The class.
        class: String,
        /// Number of photos.
        photos: usize,
    },
    /// Photos in no class's folder are not used.
    OutsideClasses {
        /// The folder of all classes.
        folder: PathBuf,
        /// Number of photos.
        photos: usize,
    },
    /// Photos in a folder beside those of the splits are not used.
    OutsideSplits {
        /// The folder.
        folder: PathBuf,
        /// Number of photos.
        photos: usize,
    },
    /// A class has no photos, and is left out.
    EmptyClass {
        /// The class.
        class: String,
    },
    /// The numbers of classes in TFRecord files have names.
    LabelNumbers {
        /// The lowest number.
        first: i64,
        /// Its name.
        name: String,
        /// The rule that chose it.
        rule: NumberingRule,
    },
    /// The numbers of classes in TFRecord files have no names.
    UnnamedLabels {
        /// The lowest number.
        lowest: i64,
        /// The highest number.
        highest: i64,
    },
    /// The numbers of classes in TFRecord files, which have no names, are outputs of the model.
    NumberedOutputs {
        /// The numbers.
        numbers: LabelNumbers,
        /// The number of the model's outputs.
        outputs: usize,
        /// The output of the lowest number; `None` if there is none.
        output: Option<usize>,
        /// Its name.
        name: String,
        /// The rule that chose it.
        rule: NumberingRule,
    },
    /// Some of several files are missing.
    MissingShards {
        /// The name of the files without their number.
        stem: String,
        /// Number of missing files.
        missing: usize,
        /// Number of all files.
        count: usize,
    },
    /// Classes have few training photos.
    FewTrainingPhotos {
        /// The number that is few.
        fewer_than: usize,
        /// The classes.
        classes: Vec<String>,
    },
    /// Classes have no photos of a split.
    MissingInSplit {
        /// The split.
        split: Split,
        /// The classes.
        classes: Vec<String>,
    },
    /// The largest class is many times larger than the smallest.
    Unbalanced {
        /// The largest class.
        largest: String,
        /// Its number of photos.
        max: usize,
        /// The smallest class.
        smallest: String,
        /// Its number of photos.
        min: usize,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NestedPhotos { class, photos } => {
                write!(
                    f,
                    "class '{class}': {photos} photos in nested folders of its folder are left out"
                )
            }
            Self::OutsideClasses { folder, photos } => write!(
                f,
                "{}: {photos} photos lie in no class's folder, and are left out",
                folder.display()
            ),
            Self::OutsideSplits { folder, photos } => {
                let folder = folder.display();
                write!(
                    f,
                    "{folder}: it is none of the folders of training, validation and test, and is \
                     left out"
                )?;
                match photos {
                    0 => f.write_str("; it has no photos"),
                    1 => f.write_str(" with its photo"),
                    _ => write!(f, " with its {photos} photos"),
                }
            }
            Self::EmptyClass { class } => {
                write!(f, "class '{class}' has no photos, and is left out")
            }
            Self::LabelNumbers { first, name, rule } => {
                write!(f, "labels of the records count from {first}: {first} is '{name}' ({rule})")
            }
            Self::UnnamedLabels { lowest, highest } => write!(
                f,
                "the records have no names of classes, and there is no labels.txt: classes are \
                 called by their numbers as they are, {lowest} to {highest}"
            ),
            Self::NumberedOutputs { numbers, outputs, output, name, rule } => {
                let LabelNumbers { lowest, highest, .. } = numbers;
                write!(
                    f,
                    "labels of the records run from {lowest} to {highest} without names, and the \
                     model has {outputs} outputs: label {lowest} is "
                )?;
                match output {
                    Some(output) => write!(f, "output {output}, '{name}' ({rule})"),
                    None => write!(f, "none of them ({rule})"),
                }
            }
            Self::MissingShards { stem, missing, count } => {
                write!(f, "{stem}: {missing} of its {count} files are missing")
            }
            Self::FewTrainingPhotos { fewer_than, classes } => {
                write!(f, "fewer than {fewer_than} photos to train with: {}", named(classes))
            }
            Self::MissingInSplit { split, classes } => write!(
                f,
                "no {} photos, so nothing is known of how well they do: {}",
                split.name(),
                named(classes)
            ),
            Self::Unbalanced { largest, max, smallest, min } => {
                write!(f, "unbalanced classes: {max} photos of '{largest}', {min} of '{smallest}'")
            }
        }
    }
}

/// Returns some names, and the number of others.
fn named(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(MAX_NAMED).map(|name| format!("'{name}'")).collect();
    let mut text = shown.join(", ");
    if names.len() > MAX_NAMED {
        text += &format!(" and {} more classes", names.len() - MAX_NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_classes_are_counted() {
        let classes = (0..12).map(|number| number.to_string()).collect();
        let note = Note::MissingInSplit { split: Split::Test, classes };
        assert!(note.to_string().ends_with("'8', '9' and 2 more classes"), "{note}");
    }
}
