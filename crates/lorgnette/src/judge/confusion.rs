//! Which classes are taken for which.

use super::Scored;

/// For each class, how many of its photos are said to be of each class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// Rows are true classes, columns what was said.
    counts: Vec<u32>,
}

/// Photos of one class that are taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confused {
    /// The class they are of.
    pub truth: usize,
    /// The class they are taken for.
    pub said: usize,
    /// How many.
    pub count: usize,
    /// Of how many photos of the class.
    pub of: usize,
}

impl Confusion {
    pub(crate) fn new(classes: usize, scored: &[Scored], several_labels: bool) -> Self {
        let mut confusion = Self { classes, counts: vec![0; classes * classes] };
        for scored in scored {
            if several_labels {
                confusion.count_labels(scored);
            } else {
                confusion.add(scored.truth[0], scored.guess());
            }
        }
        confusion
    }

    /// Counts a photo of several labels: each label that is found, and each pair of one that is
    /// missed and one that is said in vain.
    fn count_labels(&mut self, scored: &Scored) {
        let said: Vec<usize> = scored.said().collect();
        for &truth in &scored.truth {
            if said.contains(&truth) {
                self.add(truth, truth);
                continue;
            }
            for &wrong in said.iter().filter(|class| !scored.truth.contains(class)) {
                self.add(truth, wrong);
            }
        }
    }

    fn add(&mut self, truth: usize, said: usize) {
        self.counts[truth * self.classes + said] += 1;
    }

    /// How many classes there are.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Photos of the class `truth` that are said to be of the class `said`.
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn count(&self, truth: usize, said: usize) -> usize {
        self.row(truth)[said] as usize
    }

    /// What photos of a class are said to be: a count for each class.
    ///
    /// # Panics
    /// If there is no such class.
    #[must_use]
    pub fn row(&self, truth: usize) -> &[u32] {
        &self.counts[truth * self.classes..][..self.classes]
    }

    /// The count of a row as a share of the row, 0 for a class without photos.
    #[must_use]
    pub fn share(&self, truth: usize, said: usize) -> f64 {
        self.count(truth, said) as f64 / self.total(truth).max(1) as f64
    }

    /// The classes that some photo is of or is said to be of.
    #[must_use]
    pub fn occurring(&self) -> Vec<usize> {
        let mut occurs = vec![false; self.classes];
        for (truth, row) in self.counts.chunks_exact(self.classes).enumerate() {
            for (said, _) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
                (occurs[truth], occurs[said]) = (true, true);
            }
        }
        (0..self.classes).filter(|&class| occurs[class]).collect()
    }

    /// Pairs of classes of which one is taken for the other, the most photos first, of equals the
    /// largest share of the class.
    #[must_use]
    pub fn most_confused(&self) -> Vec<Confused> {
        let of_class = |truth: usize| {
            let of = self.total(truth);
            let wrong = self
                .row(truth)
                .iter()
                .enumerate()
                .filter(move |&(said, &count)| said != truth && count > 0);
            wrong.map(move |(said, &count)| Confused { truth, said, count: count as usize, of })
        };
        let mut pairs: Vec<Confused> = (0..self.classes).flat_map(of_class).collect();
        pairs.sort_by(|a, b| {
            b.count.cmp(&a.count).then(a.of.cmp(&b.of)).then(a.truth.cmp(&b.truth))
        });
        pairs
    }

    fn total(&self, truth: usize) -> usize {
        self.row(truth).iter().map(|&count| count as usize).sum()
    }
}
