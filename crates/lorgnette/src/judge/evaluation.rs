//! All figures of what a model said of photos.

use super::{ClassFigures, Confusion, Means, Reliability, Scored, Share};

/// A probability below the smallest normal number counts as that one, so that a single photo cannot
/// make the loss infinite.
const LEAST: f32 = f32::MIN_POSITIVE;
/// A photo is among the first five.
const FIVE: usize = 5;

/// What a model said of photos, counted and averaged.
#[derive(Clone, Debug)]
pub struct Evaluation {
    names: Vec<String>,
    several_labels: bool,
    /// For each photo, how many classes come before the first true one.
    ranks: Vec<usize>,
    accuracy: Share,
    loss: f64,
    classes: Vec<ClassFigures>,
    confusion: Confusion,
    reliability: Reliability,
}

/// Photos and classes that do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotComparable {
    /// There is nothing to judge by.
    #[error("there are no photos to judge by")]
    NoPhotos,
    /// A photo's probabilities are not one for each class.
    #[error("{photo}: {found} probabilities for {classes} classes")]
    OtherCount {
        /// The photo's file.
        photo: String,
        /// How many it has.
        found: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// A photo's class is none of the classes, or it has none.
    #[error("{photo}: its class is none of the {classes} that the model knows")]
    NoClass {
        /// The photo's file.
        photo: String,
        /// How many classes there are.
        classes: usize,
    },
}

impl Evaluation {
    /// Counts what a model of these classes said of photos.
    ///
    /// If every photo has one true class, the most probable class is what the model says of it. If
    /// some have several, it says each class that is at least as probable as not, and is right
    /// about a photo only if it is about every class.
    ///
    /// # Errors
    /// [`NotComparable`] if there are no photos, or one does not belong to these classes.
    pub fn new(classes: &[String], scored: &[Scored]) -> Result<Self, NotComparable> {
        check(classes.len(), scored)?;
        let several_labels = scored.iter().any(|said| said.truth.len() > 1);
        let is_right = |said: &Scored| {
            if several_labels { is_right_throughout(said) } else { said.is_right() }
        };
        let loss = |said: &Scored| if several_labels { binary_loss(said) } else { loss(said) };
        Ok(Self {
            names: classes.to_vec(),
            several_labels,
            ranks: scored.iter().map(Scored::rank).collect(),
            accuracy: Share::of(scored.iter().map(is_right)),
            // Where all is certain the sum is minus zero, which is nothing to show anybody.
            loss: scored.iter().map(loss).sum::<f64>().abs() / scored.len() as f64,
            classes: class_figures(classes.len(), scored, several_labels),
            confusion: Confusion::new(classes.len(), scored, several_labels),
            reliability: Reliability::new(scored),
        })
    }

    /// How many photos there are; at least one.
    #[must_use]
    pub fn photos(&self) -> usize {
        self.ranks.len()
    }

    /// The names of the classes, in the model's order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether some photo has several labels.
    #[must_use]
    pub fn has_several_labels(&self) -> bool {
        self.several_labels
    }

    /// The photos the model is right about.
    #[must_use]
    pub fn accuracy(&self) -> Share {
        self.accuracy
    }

    /// The photos of which a true class is among the `k` most probable.
    #[must_use]
    pub fn top(&self, k: usize) -> Share {
        Share::of(self.ranks.iter().map(|&rank| rank < k))
    }

    /// The photos of which a true class is among the five most probable.
    #[must_use]
    pub fn top5(&self) -> Share {
        self.top(FIVE)
    }

    /// The mean cross entropy in nats: of the true class, or, where photos have several labels, of
    /// every class by itself, the mean over classes.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// The figures of each class, in the model's order.
    #[must_use]
    pub fn classes(&self) -> &[ClassFigures] {
        &self.classes
    }

    /// Means over the classes that have photos.
    #[must_use]
    pub fn means(&self) -> Means {
        Means::of(&self.classes)
    }

    /// Which classes are taken for which.
    #[must_use]
    pub fn confusion(&self) -> &Confusion {
        &self.confusion
    }

    /// Whether probabilities mean what they say.
    #[must_use]
    pub fn reliability(&self) -> &Reliability {
        &self.reliability
    }
}

/// The photos a model is wrong about, the one it is surest of first: their places among the photos.
#[must_use]
pub fn confident_mistakes(scored: &[Scored]) -> Vec<usize> {
    let mut wrong: Vec<usize> =
        (0..scored.len()).filter(|&photo| !scored[photo].is_right()).collect();
    wrong.sort_by(|&a, &b| {
        scored[b].confidence().total_cmp(&scored[a].confidence()).then(a.cmp(&b))
    });
    wrong
}

fn check(classes: usize, scored: &[Scored]) -> Result<(), NotComparable> {
    if scored.is_empty() {
        return Err(NotComparable::NoPhotos);
    }
    for said in scored {
        let photo = || said.photo.display().to_string();
        if said.probabilities.len() != classes {
            return Err(NotComparable::OtherCount {
                photo: photo(),
                found: said.probabilities.len(),
                classes,
            });
        }
        if said.truth.is_empty() || said.truth.iter().any(|&class| class >= classes) {
            return Err(NotComparable::NoClass { photo: photo(), classes });
        }
    }
    Ok(())
}

fn is_right_throughout(said: &Scored) -> bool {
    let claims: Vec<usize> = said.said().collect();
    claims.len() == said.truth.len() && claims.iter().all(|class| said.truth.contains(class))
}

fn loss(said: &Scored) -> f64 {
    -f64::from(said.probability(said.truth[0]).max(LEAST)).ln()
}

fn binary_loss(said: &Scored) -> f64 {
    let of_class = |class: usize| {
        let probability = said.probability(class);
        let is = if said.truth.contains(&class) { probability } else { 1.0 - probability };
        -f64::from(is.max(LEAST)).ln()
    };
    let classes = said.probabilities.len();
    (0..classes).map(of_class).sum::<f64>() / classes as f64
}

fn class_figures(classes: usize, scored: &[Scored], several_labels: bool) -> Vec<ClassFigures> {
    let mut figures = vec![ClassFigures::default(); classes];
    for said in scored {
        let claims = if several_labels { said.said().collect() } else { vec![said.guess()] };
        said.truth.iter().for_each(|&class| figures[class].support += 1);
        for class in claims {
            figures[class].said += 1;
            figures[class].right += usize::from(said.truth.contains(&class));
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

    fn said(truth: &[usize], probabilities: &[f32]) -> Scored {
        Scored { photo: "a.jpg".into(), truth: truth.into(), probabilities: probabilities.into() }
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn figures_are_scikit_learns() {
        // classification_report, log_loss and confusion_matrix of scikit-learn 1.9 for these six
        // photos.
        let scored = [
            said(&[0], &[0.7, 0.2, 0.1]),
            said(&[0], &[0.1, 0.6, 0.3]),
            said(&[1], &[0.2, 0.5, 0.3]),
            said(&[1], &[0.3, 0.4, 0.3]),
            said(&[2], &[0.1, 0.1, 0.8]),
            said(&[2], &[0.5, 0.4, 0.1]),
        ];
        let found = Evaluation::new(&names(3), &scored).unwrap();
        assert_eq!((found.accuracy().right, found.top(2).right, found.top5().right), (4, 4, 6));
        assert!(near(found.loss(), 1.132_404), "{}", found.loss());
        let [cat, dog, owl] = found.classes()[..] else { panic!() };
        assert_eq!((cat.precision(), cat.recall(), cat.f1()), (Some(0.5), Some(0.5), Some(0.5)));
        assert!(near(dog.precision().unwrap(), 2.0 / 3.0) && near(dog.f1().unwrap(), 0.8));
        assert_eq!((owl.precision(), owl.recall(), owl.support), (Some(1.0), Some(0.5), 2));
        assert!(near(found.means().f1, 0.655_556), "{}", found.means().f1);
        assert_eq!(
            [0, 1, 2].map(|row| found.confusion().row(row).to_vec()),
            [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
        );
    }

    #[test]
    fn of_several_labels_every_one_must_be_right() {
        let scored = [
            said(&[0, 1], &[0.9, 0.6, 0.2]),
            said(&[1, 2], &[0.8, 0.7, 0.1]),
            said(&[2], &[0.1, 0.2, 0.9]),
        ];
        let found = Evaluation::new(&names(3), &scored).unwrap();
        assert!(found.has_several_labels());
        assert_eq!(found.accuracy(), Share { right: 2, of: 3 });
        assert_eq!(found.classes()[0], ClassFigures { support: 1, said: 2, right: 1 });
        // The photo of 1 and 2 is said to be of 0 and 1: its 2 is taken for 0.
        assert_eq!(found.confusion().count(2, 0), 1);
        assert_eq!(found.confusion().most_confused().len(), 1);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        assert_eq!(Evaluation::new(&names(2), &[]).unwrap_err(), NotComparable::NoPhotos);
        let other = Evaluation::new(&names(2), &[said(&[0], &[1.0])]).unwrap_err();
        assert_eq!(other.to_string(), "a.jpg: 1 probabilities for 2 classes");
        assert!(Evaluation::new(&names(1), &[said(&[1], &[1.0])]).is_err());
        assert!(Evaluation::new(&names(1), &[said(&[], &[1.0])]).is_err());
    }

    #[test]
    fn a_probability_of_nothing_costs_much_but_not_all() {
        let found = Evaluation::new(&names(2), &[said(&[0], &[0.0, 1.0])]).unwrap();
        assert!(found.loss() > 80.0 && found.loss().is_finite());
    }

    #[test]
    fn mistakes_come_by_confidence() {
        let scored = [said(&[0], &[0.4, 0.6]), said(&[0], &[0.9, 0.1]), said(&[0], &[0.2, 0.8])];
        assert_eq!(confident_mistakes(&scored), [2, 0]);
    }
}
