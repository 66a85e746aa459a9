//! How well a model tells one class from all others.

/// What became of a class's photos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassMetrics {
    /// Photos that are of the class.
    pub support: usize,
    /// Photos the model says are of the class.
    pub predicted: usize,
    /// Photos that are of the class and are said to be.
    pub correct: usize,
}

impl ClassMetrics {
    /// Of the photos said to be of the class, the share that is; `None` if it is said of none.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        ratio(self.correct, self.predicted)
    }

    /// Of the class's photos, the share that is found; `None` if there are none.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        ratio(self.correct, self.support)
    }

    /// The harmonic mean of precision and recall, `2·correct / (support + predicted)`; `None` if there are
    /// no photos of the class and none is said to be.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        ratio(2 * self.correct, self.support + self.predicted)
    }
}

/// Precision, recall and F1 of all classes together, each class counting the same ("macro").
/// Classes without photos do not count; a class that is said of no photo has a precision of 0, as
/// in scikit-learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MacroAverages {
    /// Of the precisions.
    pub precision: f64,
    /// Of the recalls: the balanced accuracy.
    pub recall: f64,
    /// Of the F1 figures.
    pub f1: f64,
}

impl MacroAverages {
    pub(crate) fn total(classes: &[ClassMetrics]) -> Self {
        let counted: Vec<&ClassMetrics> =
            classes.iter().filter(|class| class.support > 0).collect();
        let mean = |figure: fn(&ClassMetrics) -> Option<f64>| {
            counted.iter().map(|class| figure(class).unwrap_or(0.0)).sum::<f64>()
                / counted.len() as f64
        };
        Self {
            precision: mean(ClassMetrics::precision),
            recall: mean(ClassMetrics::recall),
            f1: mean(ClassMetrics::f1),
        }
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
