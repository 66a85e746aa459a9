//! Label issues: photos whose label is probably wrong.
//!
//! After Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset
//! labels" (2021): a class's own threshold is the mean probability that its photos get for it. A
//! photo whose probability for *another* class is above that class's threshold is probably of that
//! class. Thresholds by class account for classes with low probabilities throughout.

use std::borrow::Borrow;

use super::ScoredPhoto;

/// A photo that is probably of another class than its label says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelIssue {
    /// Index of the photo.
    pub photo: usize,
    /// The class of its label.
    pub label: usize,
    /// The class that is predicted instead.
    pub predicted: usize,
    /// Difference of the two probabilities, from 0 to 1.
    pub margin: f32,
}

/// Returns label issues, the largest margin first. Photos with several labels are skipped.
///
/// The predictions should be out-of-fold: a model reproduces the label errors it was trained on.
#[must_use]
pub fn label_issues<S: Borrow<ScoredPhoto>>(classes: usize, scored: &[S]) -> Vec<LabelIssue> {
    let scored: Vec<&ScoredPhoto> = scored.iter().map(Borrow::borrow).collect();
    let thresholds = thresholds(classes, &scored);
    let mut label_issues = Vec::new();
    for (photo, scored) in scored.iter().enumerate() {
        label_issues.extend(label_issue(photo, scored, &thresholds));
    }
    label_issues.sort_by(|a, b| b.margin.total_cmp(&a.margin).then(a.photo.cmp(&b.photo)));
    label_issues
}

/// Compares one photo with the thresholds.
fn label_issue(photo: usize, scored: &ScoredPhoto, thresholds: &[f32]) -> Option<LabelIssue> {
    let [label] = scored.truth[..] else { return None };
    let likeliest = (0..thresholds.len())
        .filter(|&class| scored.probability(class) >= thresholds[class])
        .max_by(|&a, &b| scored.probability(a).total_cmp(&scored.probability(b)).then(b.cmp(&a)));
    let predicted = likeliest.filter(|&class| class != label)?;
    let margin = scored.probability(predicted) - scored.probability(label);
    (margin > 0.0).then_some(LabelIssue { photo, label, predicted, margin })
}

/// Returns each class's mean probability over its own photos; infinite without photos.
fn thresholds(classes: usize, scored: &[&ScoredPhoto]) -> Vec<f32> {
    let mut sums = vec![(0.0, 0_u32); classes];
    for predicted in scored {
        if let [label] = predicted.truth[..] {
            sums[label].0 += f64::from(predicted.probability(label));
            sums[label].1 += 1;
        }
    }
    let mean = |(sum, count): (f64, u32)| {
        if count > 0 { (sum / f64::from(count)) as f32 } else { f32::INFINITY }
    };
    sums.into_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predicted(label: usize, probabilities: [f32; 3]) -> ScoredPhoto {
        ScoredPhoto { photo: "a".into(), truth: vec![label], probabilities: probabilities.into() }
    }

    #[test]
    fn a_photo_that_looks_like_another_class_is_suspected() {
        let mut scored = vec![predicted(0, [0.9, 0.1, 0.0]); 5];
        scored.extend(vec![predicted(1, [0.1, 0.8, 0.1]); 5]);
        scored.push(predicted(0, [0.05, 0.95, 0.0]));
        let [label_issue] = label_issues(3, &scored)[..] else { panic!() };
        assert_eq!((label_issue.photo, label_issue.label, label_issue.predicted), (10, 0, 1));
        assert!((label_issue.margin - 0.9).abs() < 1e-6);
    }

    #[test]
    fn a_class_the_model_is_always_shy_of_is_not_suspected() {
        // Class 1's own photos look more like class 0, but none reaches what class 0's photos do.
        let mut scored = vec![predicted(0, [0.9, 0.1, 0.0]); 5];
        scored.extend(vec![predicted(1, [0.5, 0.4, 0.1]); 5]);
        assert_eq!(label_issues(3, &scored), []);
    }
}
