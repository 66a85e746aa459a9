//! Confusion matrix.

use super::ScoredPhoto;

/// Confusion matrix: numbers of photos by true and predicted class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// Rows are true classes, columns predicted ones.
    counts: Vec<u32>,
}

/// Photos of a class that are predicted as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfusedPair {
    /// True class.
    pub truth: usize,
    /// Predicted class.
    pub predicted: usize,
    /// Number of these photos.
    pub count: usize,
    /// Number of photos of the true class.
    pub total: usize,
}

impl Confusion {
    pub(crate) fn new(classes: usize, scored: &[ScoredPhoto], multi_label: bool) -> Self {
        let mut confusion = Self { classes, counts: vec![0; classes * classes] };
        for scored in scored {
            if multi_label {
                confusion.count_labels(scored);
            } else {
                confusion.add(scored.truth[0], scored.predicted_class());
            }
        }
        confusion
    }

    /// Counts a photo with several labels: each label that is predicted, and each pair of a missing
    /// and a wrong label.
    fn count_labels(&mut self, scored: &ScoredPhoto) {
        let predicted: Vec<usize> = scored.predicted().collect();
        for &truth in &scored.truth {
            if predicted.contains(&truth) {
                self.add(truth, truth);
                continue;
            }
            for &wrong in predicted.iter().filter(|class| !scored.truth.contains(class)) {
                self.add(truth, wrong);
            }
        }
    }

    fn add(&mut self, truth: usize, predicted: usize) {
        self.counts[truth * self.classes + predicted] += 1;
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of photos of class `truth` that are predicted as `predicted`.
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn count(&self, truth: usize, predicted: usize) -> usize {
        self.row(truth)[predicted] as usize
    }

    /// Number of photos of a true class by predicted class.
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn row(&self, truth: usize) -> &[u32] {
        &self.counts[truth * self.classes..][..self.classes]
    }

    /// The count of a row as a share of the row, 0 for a class without photos.
    #[must_use]
    pub fn share(&self, truth: usize, predicted: usize) -> f64 {
        self.count(truth, predicted) as f64 / self.total(truth).max(1) as f64
    }

    /// Classes that occur as true or predicted.
    #[must_use]
    pub fn occurring(&self) -> Vec<usize> {
        let mut occurs = vec![false; self.classes];
        for (truth, row) in self.counts.chunks_exact(self.classes).enumerate() {
            for (predicted, _) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
                (occurs[truth], occurs[predicted]) = (true, true);
            }
        }
        (0..self.classes).filter(|&class| occurs[class]).collect()
    }

    /// Pairs of classes that are confused, sorted by the number of photos, then by the share of the
    /// class.
    #[must_use]
    pub fn most_confused(&self) -> Vec<ConfusedPair> {
        let of_class = |truth: usize| {
            let total = self.total(truth);
            let wrong = self
                .row(truth)
                .iter()
                .enumerate()
                .filter(move |&(predicted, &count)| predicted != truth && count > 0);
            wrong.map(move |(predicted, &count)| ConfusedPair {
                truth,
                predicted,
                count: count as usize,
                total,
            })
        };
        let mut pairs: Vec<ConfusedPair> = (0..self.classes).flat_map(of_class).collect();
        pairs.sort_by(|a, b| {
            b.count.cmp(&a.count).then(a.total.cmp(&b.total)).then(a.truth.cmp(&b.truth))
        });
        pairs
    }

    fn total(&self, truth: usize) -> usize {
        self.row(truth).iter().map(|&count| count as usize).sum()
    }
}
