//! Photos whose label is probably wrong.
//!
//! After Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset
//! labels" (2021): a class's own threshold is the mean probability that its photos get for it. A
//! photo whose probability for *another* class is above that class's threshold is, as far as the
//! model can tell, one of that class. Thresholds of their own keep a class the model is always shy
//! of from being suspected as a whole.

use std::borrow::Borrow;

use super::Scored;

/// A photo that is probably of another class than its label says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspect {
    /// Which of the photos.
    pub photo: usize,
    /// The class of its label.
    pub label: usize,
    /// The class it looks like.
    pub looks_like: usize,
    /// By how much the latter is more probable, from 0 to 1.
    pub margin: f32,
}

/// The suspected label errors, the most certain first. Photos of several labels are never
/// suspected.
///
/// The model should not have been trained on these photos: one that has learned the errors by heart
/// does not find them.
#[must_use]
pub fn suspects<S: Borrow<Scored>>(classes: usize, scored: &[S]) -> Vec<Suspect> {
    let scored: Vec<&Scored> = scored.iter().map(Borrow::borrow).collect();
    let thresholds = thresholds(classes, &scored);
    let suspect = |(photo, &said): (usize, &&Scored)| {
        let [label] = said.truth[..] else { return None };
        let confident = |&class: &usize| said.probability(class) >= thresholds[class];
        let likeliest = (0..classes)
            .filter(confident)
            .max_by(|&a, &b| said.probability(a).total_cmp(&said.probability(b)).then(b.cmp(&a)));
        let looks_like = likeliest.filter(|&class| class != label)?;
        let margin = said.probability(looks_like) - said.probability(label);
        (margin > 0.0).then_some(Suspect { photo, label, looks_like, margin })
    };
    let mut suspects: Vec<Suspect> = scored.iter().enumerate().filter_map(suspect).collect();
    suspects.sort_by(|a, b| b.margin.total_cmp(&a.margin).then(a.photo.cmp(&b.photo)));
    suspects
}

/// For each class, the mean probability that its photos get for it; infinite where there are none.
fn thresholds(classes: usize, scored: &[&Scored]) -> Vec<f32> {
    let mut sums = vec![(0.0, 0_u32); classes];
    for said in scored {
        if let [label] = said.truth[..] {
            sums[label].0 += f64::from(said.probability(label));
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

    fn said(label: usize, probabilities: [f32; 3]) -> Scored {
        Scored { photo: "a".into(), truth: vec![label], probabilities: probabilities.into() }
    }

    #[test]
    fn a_photo_that_looks_like_another_class_is_suspected() {
        let mut scored = vec![said(0, [0.9, 0.1, 0.0]); 5];
        scored.extend(vec![said(1, [0.1, 0.8, 0.1]); 5]);
        scored.push(said(0, [0.05, 0.95, 0.0]));
        let [suspect] = suspects(3, &scored)[..] else { panic!() };
        assert_eq!((suspect.photo, suspect.label, suspect.looks_like), (10, 0, 1));
        assert!((suspect.margin - 0.9).abs() < 1e-6);
    }

    #[test]
    fn a_class_the_model_is_always_shy_of_is_not_suspected() {
        // Class 1's own photos look more like class 0, but none reaches what class 0's photos do.
        let mut scored = vec![said(0, [0.9, 0.1, 0.0]); 5];
        scored.extend(vec![said(1, [0.5, 0.4, 0.1]); 5]);
        assert_eq!(suspects(3, &scored), []);
    }
}
