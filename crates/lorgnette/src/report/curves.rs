//! Accuracy and loss, epoch by epoch.

use super::palette::{BLUE, INK, VERMILION};
use super::plot::Plot;
use crate::drawing::{Drawing, TextStyle};
use crate::metrics::Epoch;

const PANEL: (f32, f32) = (420.0, 270.0);
const LEFT: f32 = 72.0;
const TOP: f32 = 84.0;
const BETWEEN: f32 = 96.0;
const BOTTOM: f32 = 60.0;

/// A figure of an epoch.
type Value = fn(&Epoch) -> f64;

/// Accuracy and loss of the training photos (blue) and the validation photos (vermilion).
#[must_use]
pub fn curves(epochs: &[Epoch]) -> Drawing {
    let mut figure =
        Drawing::new(2.0 * (LEFT + PANEL.0) + BETWEEN - LEFT + 28.0, TOP + PANEL.1 + BOTTOM);
    legend(&mut figure);
    let accuracies: [Value; 2] =
        [|epoch| epoch.training_accuracy, |epoch| epoch.validation_accuracy];
    let losses: [Value; 2] = [|epoch| epoch.training_loss, |epoch| epoch.validation_loss];
    let right = LEFT + PANEL.0 + BETWEEN;
    Panel { left: LEFT, title: "Accuracy", values: accuracies, is_share: true }
        .draw(&mut figure, epochs);
    Panel { left: right, title: "Loss", values: losses, is_share: false }.draw(&mut figure, epochs);
    figure
}

fn legend(figure: &mut Drawing) {
    for (x, colour, name) in [(LEFT, BLUE, "training"), (LEFT + 110.0, VERMILION, "validation")] {
        figure.line(vec![(x, 27.0), (x + 22.0, 27.0)], 3.0, colour);
        figure.words(name, (x + 30.0, 31.0), TextStyle::new(13.0, INK));
    }
}

/// A panel of two curves: one number of the training photos, and of the validation photos.
struct Panel {
    left: f32,
    title: &'static str,
    values: [Value; 2],
    /// True for shares, which end at 1; a loss begins at 0.
    is_share: bool,
}

impl Panel {
    fn draw(&self, figure: &mut Drawing, epochs: &[Epoch]) {
        let all = || {
            self.values
                .iter()
                .flat_map(|value| epochs.iter().map(value))
                .filter(|value| value.is_finite())
        };
        let (least, max) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
        let y = if self.is_share {
            [(least - 0.05).clamp(0.0, 0.9), 1.0]
        } else {
            [0.0, (max * 1.05).max(1e-3)]
        };
        let last = epochs.iter().map(|epoch| epoch.epoch).max().unwrap_or(1);
        let x = [1.0, last.max(2) as f64];
        let mut plot = Plot { figure, corner: (self.left, TOP), size: PANEL, x, y };
        plot.frame(
            self.title,
            "epoch",
            if self.is_share { "share of photos" } else { "cross entropy, nats" },
        );
        for (value, colour) in self.values.iter().zip([BLUE, VERMILION]) {
            plot.line(epochs.iter().map(|epoch| (epoch.epoch as f64, value(epoch))), 2.5, colour);
        }
    }
}
