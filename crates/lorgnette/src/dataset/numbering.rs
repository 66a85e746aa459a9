//! The numbers of classes in TFRecord files: TF-Slim's ImageNet counts from 1, TF-Slim's flowers
//! and all of TensorFlow Datasets from 0, and no record says so.

use std::fmt;

/// Number of ImageNet's classes.
const IMAGENET_CLASSES: i64 = 1000;

/// The tool whose records these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordForm {
    /// TF-Slim (`image/class/label`).
    Slim,
    /// TensorFlow Datasets (`label`).
    Datasets,
}

/// The numbers of classes in TFRecord files, none of them negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelNumbers {
    /// The lowest number.
    pub lowest: i64,
    /// The highest number.
    pub highest: i64,
    /// The tool that wrote them.
    pub form: RecordForm,
    /// The number of the first class, if the caller knows it.
    pub given: Option<u32>,
}

/// Rule that chose the number of the first class. Its text is the reason for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NumberingRule {
    /// The file of names numbers them.
    Written,
    /// The caller gave the number of the first class.
    Given,
    /// The names of the classes are numbers, too.
    SameNames,
    /// The highest number is that of the last class.
    Count,
    /// A label is 0.
    Zero,
    /// TensorFlow Datasets count from 0.
    Datasets,
    /// A guess: TF-Slim's records of ImageNet, or for a network with a background, count from 1.
    SlimImagenet,
    /// A guess: TF-Slim's other records count from 0.
    Slim,
}

impl NumberingRule {
    /// True if the records of another tool may be counted in another way.
    #[must_use]
    pub fn is_guess(self) -> bool {
        matches!(self, Self::SlimImagenet | Self::Slim)
    }
}

impl fmt::Display for NumberingRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Written => "the file of names has the numbers",
            Self::Given => "this was asked for",
            Self::SameNames => "the classes are called by numbers",
            Self::Count => "the highest label is that of the last class",
            Self::Zero => "there is a label 0",
            Self::Datasets => "TensorFlow Datasets count from 0",
            Self::SlimImagenet => "a guess: TF-Slim's records of ImageNet count from 1",
            Self::Slim => "a guess: TF-Slim's records but ImageNet's count from 0",
        })
    }
}

/// The number of the first class, the background not counted, and the rule that chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbering {
    pub(crate) first: i64,
    pub(crate) rule: NumberingRule,
}

impl LabelNumbers {
    /// Chooses the number of the first of `classes` classes, the background not counted.
    pub(crate) fn numbering(&self, classes: i64, has_background: bool) -> Numbering {
        let of = |first, rule| Numbering { first, rule };
        match self.given {
            Some(first) => of(i64::from(first), NumberingRule::Given),
            // With a background at 0, the classes are 1 to their number.
            None if self.highest == classes && (self.lowest > 0 || has_background) => {
                of(1, NumberingRule::Count)
            }
            None if self.lowest == 0 => of(0, NumberingRule::Zero),
            None => match self.form {
                RecordForm::Datasets => of(0, NumberingRule::Datasets),
                RecordForm::Slim if has_background || classes == IMAGENET_CLASSES => {
                    of(1, NumberingRule::SlimImagenet)
                }
                RecordForm::Slim => of(0, NumberingRule::Slim),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_the_first_class_is_told_by_count_zero_and_form() {
        use NumberingRule::{Count, Datasets, Slim, SlimImagenet, Zero};
        use RecordForm as Form;
        for (lowest, highest, form, classes, has_background, first, rule) in [
            (0, 4, Form::Slim, 5, false, 0, Zero),
            (1, 5, Form::Slim, 5, false, 1, Count),
            // The last class has no photo.
            (0, 3, Form::Slim, 5, false, 0, Zero),
            (1, 4, Form::Slim, 5, false, 0, Slim),
            (1, 1000, Form::Slim, 1000, false, 1, Count),
            (1, 1000, Form::Slim, 1000, true, 1, Count),
            (0, 1000, Form::Slim, 1000, true, 1, Count),
            (0, 999, Form::Slim, 1000, true, 0, Zero),
            (0, 999, Form::Datasets, 1000, false, 0, Zero),
            // A few photos.
            (7, 700, Form::Slim, 1000, true, 1, SlimImagenet),
            (7, 700, Form::Slim, 1000, false, 1, SlimImagenet),
            (7, 700, Form::Datasets, 1000, true, 0, Datasets),
            (0, 3, Form::Datasets, 1000, true, 0, Zero),
        ] {
            let numbers = LabelNumbers { lowest, highest, form, given: None };
            let expected = Numbering { first, rule };
            assert_eq!(numbers.numbering(classes, has_background), expected, "{numbers:?}");
            let given = LabelNumbers { given: Some(1), ..numbers };
            assert_eq!(given.numbering(classes, has_background).first, 1);
        }
    }
}
