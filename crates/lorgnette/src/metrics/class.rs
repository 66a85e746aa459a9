//! Metrics of single classes.

/// Counts of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassMetrics {
    /// Number of photos of the class.
    pub support: usize,
    /// Number of photos predicted as the class.
    pub predicted: usize,
    /// Number of photos of the class that are predicted as it.
    pub correct: usize,
}

impl ClassMetrics {
    /// Share of the photos predicted as the class that are of it; `None` without predictions.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        ratio(self.correct, self.predicted)
    }

    /// Share of the class's photos that are predicted as it; `None` without photos.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        ratio(self.correct, self.support)
    }

    /// Harmonic mean of precision and recall, `2·correct / (support + predicted)`; `None` without
    /// photos and predictions.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        ratio(2 * self.correct, self.support + self.predicted)
    }
}

/// Macro averages of precision, recall and F1 over classes with photos. A class without
/// predictions has a precision of 0, as in scikit-learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MacroAverages {
    /// Mean precision.
    pub precision: f64,
    /// Mean recall: the balanced accuracy.
    pub recall: f64,
    /// Mean F1.
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
