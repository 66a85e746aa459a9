//! All metrics of a set of photos.

use super::{ClassMetrics, Confusion, MacroAverages, Proportion, Reliability, ScoredPhoto};

/// Lower bound of probabilities, which keeps the loss finite.
const MIN_PROBABILITY: f32 = f32::MIN_POSITIVE;
/// The `k` of top-5 accuracy.
const TOP_5: usize = 5;

/// Metrics of a set of photos.
#[derive(Clone, Debug)]
pub struct Evaluation {
    names: Vec<String>,
    multi_label: bool,
    /// Number of classes before the first true one, for each photo.
    ranks: Vec<usize>,
    accuracy: Proportion,
    loss: f64,
    classes: Vec<ClassMetrics>,
    confusion: Confusion,
    reliability: Reliability,
}

/// Why photos cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// There are no photos.
    #[error("there are no photos to judge by")]
    NoPhotos,
    /// A photo's probabilities are not one for each class.
    #[error("{photo}: {found} probabilities for {classes} classes")]
    WrongLength {
        /// The photo's file.
        photo: String,
        /// Its number of probabilities.
        found: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A photo's class is none of the classes, or it has none.
    #[error("{photo}: its class is none of the {classes} that the model knows")]
    UnknownClass {
        /// The photo's file.
        photo: String,
        /// Number of classes.
        classes: usize,
    },
}

impl Evaluation {
    /// Evaluates the predictions for photos.
    ///
    /// If every photo has one true class, the prediction is the most probable class. If some have
    /// several, all classes with a probability of at least 0.5 are predicted, and a prediction is
    /// correct only if it is for every class.
    ///
    /// # Errors
    /// [`EvaluationError`] if there are no photos, or one does not belong to these classes.
    pub fn new(classes: &[String], scored: &[ScoredPhoto]) -> Result<Self, EvaluationError> {
        check(classes.len(), scored)?;
        let multi_label = scored.iter().any(|predicted| predicted.truth.len() > 1);
        let is_correct = |predicted: &ScoredPhoto| {
            if multi_label { is_correct_throughout(predicted) } else { predicted.is_correct() }
        };
        let loss = |predicted: &ScoredPhoto| {
            if multi_label { binary_loss(predicted) } else { loss(predicted) }
        };
        Ok(Self {
            names: classes.to_vec(),
            multi_label,
            ranks: scored.iter().map(ScoredPhoto::rank).collect(),
            accuracy: Proportion::total(scored.iter().map(is_correct)),
            // The sum may be -0.
            loss: scored.iter().map(loss).sum::<f64>().abs() / scored.len() as f64,
            classes: class_metrics(classes.len(), scored, multi_label),
            confusion: Confusion::new(classes.len(), scored, multi_label),
            reliability: Reliability::new(scored),
        })
    }

    /// Number of photos; at least one.
    #[must_use]
    pub fn photos(&self) -> usize {
        self.ranks.len()
    }

    /// Names of the classes, in the model's order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether some photo has several labels.
    #[must_use]
    pub fn is_multi_label(&self) -> bool {
        self.multi_label
    }

    /// Accuracy.
    #[must_use]
    pub fn accuracy(&self) -> Proportion {
        self.accuracy
    }

    /// Top-`k` accuracy.
    #[must_use]
    pub fn top(&self, k: usize) -> Proportion {
        Proportion::total(self.ranks.iter().map(|&rank| rank < k))
    }

    /// Top-5 accuracy.
    #[must_use]
    pub fn top5(&self) -> Proportion {
        self.top(TOP_5)
    }

    /// Mean cross entropy in nats; with several labels, the binary cross entropy averaged over
    /// classes.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// Metrics of each class, in the model's order.
    #[must_use]
    pub fn classes(&self) -> &[ClassMetrics] {
        &self.classes
    }

    /// Macro averages over the classes with photos.
    #[must_use]
    pub fn macro_averages(&self) -> MacroAverages {
        MacroAverages::total(&self.classes)
    }

    /// Confusion matrix.
    #[must_use]
    pub fn confusion(&self) -> &Confusion {
        &self.confusion
    }

    /// Calibration of probabilities.
    #[must_use]
    pub fn reliability(&self) -> &Reliability {
        &self.reliability
    }
}

/// Returns the indices of wrong predictions, the most confident first.
#[must_use]
pub fn confident_mistakes(scored: &[ScoredPhoto]) -> Vec<usize> {
    let mut wrong: Vec<usize> =
        (0..scored.len()).filter(|&photo| !scored[photo].is_correct()).collect();
    wrong.sort_by(|&a, &b| {
        scored[b].confidence().total_cmp(&scored[a].confidence()).then(a.cmp(&b))
    });
    wrong
}

fn check(classes: usize, scored: &[ScoredPhoto]) -> Result<(), EvaluationError> {
    if scored.is_empty() {
        return Err(EvaluationError::NoPhotos);
    }
    for predicted in scored {
        let photo = || predicted.photo.display().to_string();
        if predicted.probabilities.len() != classes {
            return Err(EvaluationError::WrongLength {
                photo: photo(),
                found: predicted.probabilities.len(),
                classes,
            });
        }
        if predicted.truth.is_empty() || predicted.truth.iter().any(|&class| class >= classes) {
            return Err(EvaluationError::UnknownClass { photo: photo(), classes });
        }
    }
    Ok(())
}

fn is_correct_throughout(predicted: &ScoredPhoto) -> bool {
    let predictions: Vec<usize> = predicted.predicted().collect();
    predictions.len() == predicted.truth.len()
        && predictions.iter().all(|class| predicted.truth.contains(class))
}

fn loss(predicted: &ScoredPhoto) -> f64 {
    -f64::from(predicted.probability(predicted.truth[0]).max(MIN_PROBABILITY)).ln()
}

fn binary_loss(predicted: &ScoredPhoto) -> f64 {
    let of_class = |class: usize| {
        let probability = predicted.probability(class);
        let is = if predicted.truth.contains(&class) { probability } else { 1.0 - probability };
        -f64::from(is.max(MIN_PROBABILITY)).ln()
    };
    let classes = predicted.probabilities.len();
    (0..classes).map(of_class).sum::<f64>() / classes as f64
}

fn class_metrics(classes: usize, scored: &[ScoredPhoto], multi_label: bool) -> Vec<ClassMetrics> {
    let mut figures = vec![ClassMetrics::default(); classes];
    for predicted in scored {
        let predictions = if multi_label {
            predicted.predicted().collect()
        } else {
            vec![predicted.predicted_class()]
        };
        predicted.truth.iter().for_each(|&class| figures[class].support += 1);
        for class in predictions {
            figures[class].predicted += 1;
            figures[class].correct += usize::from(predicted.truth.contains(&class));
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("class {class}")).collect()
    }

    fn predicted(truth: &[usize], probabilities: &[f32]) -> ScoredPhoto {
        ScoredPhoto {
            photo: "a.jpg".into(),
            truth: truth.into(),
            probabilities: probabilities.into(),
        }
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn figures_are_scikit_learns() {
        // classification_report, log_loss and confusion_matrix of scikit-learn 1.9 for these six
        // photos.
        let scored = [
            predicted(&[0], &[0.7, 0.2, 0.1]),
            predicted(&[0], &[0.1, 0.6, 0.3]),
            predicted(&[1], &[0.2, 0.5, 0.3]),
            predicted(&[1], &[0.3, 0.4, 0.3]),
            predicted(&[2], &[0.1, 0.1, 0.8]),
            predicted(&[2], &[0.5, 0.4, 0.1]),
        ];
        let found = Evaluation::new(&names(3), &scored).unwrap();
        assert_eq!(
            (found.accuracy().correct, found.top(2).correct, found.top5().correct),
            (4, 4, 6)
        );
        assert!(near(found.loss(), 1.132_404), "{}", found.loss());
        let [cat, dog, owl] = found.classes()[..] else { panic!() };
        assert_eq!((cat.precision(), cat.recall(), cat.f1()), (Some(0.5), Some(0.5), Some(0.5)));
        assert!(near(dog.precision().unwrap(), 2.0 / 3.0) && near(dog.f1().unwrap(), 0.8));
        assert_eq!((owl.precision(), owl.recall(), owl.support), (Some(1.0), Some(0.5), 2));
        assert!(near(found.macro_averages().f1, 0.655_556), "{}", found.macro_averages().f1);
        assert_eq!(
            [0, 1, 2].map(|row| found.confusion().row(row).to_vec()),
            [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
        );
    }

    #[test]
    fn of_several_labels_every_one_must_be_right() {
        let scored = [
            predicted(&[0, 1], &[0.9, 0.6, 0.2]),
            predicted(&[1, 2], &[0.8, 0.7, 0.1]),
            predicted(&[2], &[0.1, 0.2, 0.9]),
        ];
        let found = Evaluation::new(&names(3), &scored).unwrap();
        assert!(found.is_multi_label());
        assert_eq!(found.accuracy(), Proportion { correct: 2, total: 3 });
        assert_eq!(found.classes()[0], ClassMetrics { support: 1, predicted: 2, correct: 1 });
        // The photo of 1 and 2 is said to be of 0 and 1: its 2 is taken for 0.
        assert_eq!(found.confusion().count(2, 0), 1);
        assert_eq!(found.confusion().most_confused().len(), 1);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        assert_eq!(Evaluation::new(&names(2), &[]).unwrap_err(), EvaluationError::NoPhotos);
        let second = Evaluation::new(&names(2), &[predicted(&[0], &[1.0])]).unwrap_err();
        assert_eq!(second.to_string(), "a.jpg: 1 probabilities for 2 classes");
        assert!(Evaluation::new(&names(1), &[predicted(&[1], &[1.0])]).is_err());
        assert!(Evaluation::new(&names(1), &[predicted(&[], &[1.0])]).is_err());
    }

    #[test]
    fn a_probability_of_nothing_costs_much_but_not_all() {
        let found = Evaluation::new(&names(2), &[predicted(&[0], &[0.0, 1.0])]).unwrap();
        assert!(found.loss() > 80.0 && found.loss().is_finite());
    }

    #[test]
    fn mistakes_come_by_confidence() {
        let scored = [
            predicted(&[0], &[0.4, 0.6]),
            predicted(&[0], &[0.9, 0.1]),
            predicted(&[0], &[0.2, 0.8]),
        ];
        assert_eq!(confident_mistakes(&scored), [2, 0]);
    }
}
