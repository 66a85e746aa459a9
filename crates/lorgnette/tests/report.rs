//! Figures and pages of made-up judgements, from two classes to as many as Caltech-256 has. They
//! are written where cargo keeps the files of tests, to be looked at: `target/tmp/report/`.

use std::fs;
use std::path::PathBuf;

use lorgnette::metrics::{Epoch, Evaluation, ScoredPhoto};
use lorgnette::report::{self, Scale};

/// Where the files go.
fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("report");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Numbers from 0 up to 1, made up but always the same.
struct Dice(u32);

impl Dice {
    fn throw(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 16_777_216.0
    }
}

/// Classes, and photos of which some are taken for a neighbour of their class.
fn judged(classes: usize, photos: usize) -> (Vec<String>, Vec<ScoredPhoto>) {
    let names = (0..classes).map(|class| match class {
        0 => "egg & <spoon>".to_owned(),
        1 => "Schneeglöckchen".to_owned(),
        _ => format!("class number {class}"),
    });
    let mut dice = Dice(7);
    let photo = |number: usize| {
        let truth = number % classes;
        let other = (truth + 1 + (dice.throw() * dice.throw() * 4.0) as usize) % classes;
        let sure = 0.3 + 0.7 * dice.throw();
        let mut probabilities = vec![(1.0 - sure) / (classes - 1) as f32; classes];
        probabilities[if dice.throw() < 0.8 { truth } else { other }] = sure;
        ScoredPhoto {
            photo: format!("photo {number}.jpg").into(),
            truth: vec![truth],
            probabilities,
        }
    };
    (names.collect(), (0..photos).map(photo).collect())
}

#[test]
fn a_confusion_matrix_can_be_read_whatever_its_classes() {
    for (classes, photos) in [(2, 40), (5, 300), (24, 900), (257, 6000)] {
        let (names, scored) = judged(classes, photos);
        let evaluation = Evaluation::new(&names, &scored).unwrap();
        for (scale, called) in [(Scale::Counts, "counts"), (Scale::Shares, "shares")] {
            let drawing = report::confusion(&evaluation, scale);
            for ending in ["svg", "png"] {
                drawing
                    .save(&folder().join(format!("confusion_{classes}_{called}.{ending}")))
                    .unwrap();
            }
            let svg = drawing.svg();
            assert!(svg.contains("egg &amp; &lt;spoon&gt;") && svg.contains("Schneeglöckchen"));
            // Every class is named at its row and at its column, and the most confused pair is in
            // words.
            let last = format!(">class number {}<", classes - 1);
            assert!(classes == 2 || svg.matches(&last).count() == 2);
            let worst = evaluation.confusion().most_confused()[0];
            assert!(svg.contains(&format!(">{} of {}<", worst.count, worst.total)));
        }
    }
}

#[test]
fn classes_that_never_occur_are_left_out_of_large_matrices() {
    let (names, mut scored) = judged(257, 40);
    scored.iter_mut().for_each(|said| said.truth = vec![said.predicted_class()]);
    let evaluation = Evaluation::new(&names, &scored).unwrap();
    let svg = report::confusion(&evaluation, Scale::Counts).svg();
    let occurring = evaluation.confusion().occurring().len();
    assert!(occurring < 41 && svg.contains(&format!("Confusion of {occurring} classes")));
}

#[test]
fn curves_and_reliability_are_drawn() {
    let epoch = |epoch: usize| {
        let done = 1.0 - (-(epoch as f64) / 12.0).exp();
        Epoch {
            epoch,
            seconds: 0.2,
            training_accuracy: 0.2 + 0.78 * done,
            training_loss: 1.6 * (1.0 - done) + 0.05,
            validation_accuracy: 0.2 + 0.68 * done,
            validation_loss: 1.6 * (1.0 - done) + 0.3,
        }
    };
    let epochs: Vec<Epoch> = (1..=60).map(epoch).collect();
    report::curves(&epochs).save(&folder().join("curves.png")).unwrap();
    report::curves(&epochs).save(&folder().join("curves.svg")).unwrap();
    // A line each for training and validation, in both panels.
    assert_eq!(report::curves(&epochs).svg().matches("stroke-width=\"2.5\"").count(), 4);
    assert_eq!(report::curves(&[]).svg().matches("stroke-width=\"2.5\"").count(), 0);
    let (names, scored) = judged(5, 600);
    let evaluation = Evaluation::new(&names, &scored).unwrap();
    report::reliability(evaluation.reliability()).save(&folder().join("reliability.png")).unwrap();
    report::reliability(evaluation.reliability()).save(&folder().join("reliability.svg")).unwrap();
}
