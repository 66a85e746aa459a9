//! The names of what is blurred: classes, or faces.

use super::FACE;
use crate::error::{Error, Result};
use crate::labels::Labels;

/// Names of faces, and names of people, whom no network here finds.
const FACES: [&str; 2] = [FACE, "faces"];
const PEOPLE: [&str; 10] =
    ["person", "persons", "people", "human", "man", "men", "woman", "women", "child", "children"];

/// The subjects of a blur.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Subjects {
    /// The network's output indices of the classes.
    pub(super) classes: Vec<usize>,
    /// True if faces are.
    pub(super) faces: bool,
}

impl Subjects {
    /// Finds the classes of these names. A model's own class of any name comes first.
    ///
    /// # Errors
    /// If a name is of no class, or of people.
    pub(super) fn find<S: AsRef<str>>(labels: &Labels, names: &[S]) -> Result<Self> {
        let mut subjects = Self::default();
        for name in names.iter().map(AsRef::as_ref) {
            let word = name.trim().to_lowercase();
            if means_faces(labels, name) {
                subjects.faces = true;
            } else if PEOPLE.contains(&word.as_str()) && !labels.has_name(&word) {
                return Err(Error::NoPeople { name: name.to_owned() });
            } else {
                let found = labels.find(name)?;
                subjects.classes.extend(found.iter().map(|label| label.index));
            }
        }
        Ok(subjects)
    }
}

/// True if `name` stands for faces, and the model has no class of that name.
pub(super) fn means_faces(labels: &Labels, name: &str) -> bool {
    let word = name.trim().to_lowercase();
    FACES.contains(&word.as_str()) && !labels.has_name(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_refused_and_faces_are_none_of_the_classes() {
        let labels = Labels::imagenet(1001).unwrap();
        let found = |names: &[&str]| Subjects::find(&labels, names);
        assert_eq!(found(&["Face"]).unwrap(), Subjects { classes: vec![], faces: true });
        let both = found(&["faces", "tabby"]).unwrap();
        assert!(both.faces && both.classes.len() == 1);
        let refused = found(&["tabby", "people"]).unwrap_err().to_string();
        assert!(refused.contains("people") && refused.contains("faces"), "{refused}");
        let own = Labels::from_names(vec!["person".to_owned(), "face".to_owned()]);
        let own = Subjects::find(&own, &["person", "face"]).unwrap();
        assert_eq!(own, Subjects { classes: vec![0, 1], faces: false });
    }
}
