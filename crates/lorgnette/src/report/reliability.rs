//! Whether probabilities mean what they say, as a figure.

use super::palette::{BLUE, INK, QUIET, VERMILION};
use super::plot::Plot;
use crate::drawing::{Anchor, Drawing, TextStyle};
use crate::metrics::Reliability;

const SIDE: f32 = 340.0;
const CORNER: (f32, f32) = (76.0, 92.0);
const COUNTS: f32 = 70.0;
const BETWEEN: f32 = 64.0;

/// For photos whose most probable class is about so probable, the share that is right; the ideal is
/// the diagonal. Below, how many photos there are.
#[must_use]
pub fn reliability(reliability: &Reliability) -> Drawing {
    let mut figure =
        Drawing::new(CORNER.0 + SIDE + 28.0, CORNER.1 + SIDE + BETWEEN + COUNTS + 20.0);
    let error = 100.0 * reliability.expected_calibration_error();
    figure.words(
        format!("Probability and truth are {error:.1} points apart, on average"),
        (24.0, 36.0),
        TextStyle::new(15.0, QUIET),
    );
    shares(&mut figure, reliability);
    counts(&mut figure, reliability);
    figure
}

fn shares(figure: &mut Drawing, reliability: &Reliability) {
    let range = [0.0, 1.0];
    let mut plot = Plot { figure, corner: CORNER, size: (SIDE, SIDE), x: range, y: range };
    plot.frame("Reliability", "probability of the class that is said", "share that is right");
    for bin in reliability.bins.iter().filter(|bin| bin.correct.total > 0) {
        let share = bin.correct.value();
        let (left, top) = plot.place(bin.from, share);
        let (right, floor) = plot.place(bin.to, 0.0);
        let tip = format!(
            "said with {:.0} to {:.0} %: {} of {} right, {:.1} % on average said",
            100.0 * bin.from,
            100.0 * bin.to,
            bin.correct.correct,
            bin.correct.total,
            100.0 * bin.confidence
        );
        let size = (right - left - 2.0, floor - top);
        plot.figure.rectangle((left + 1.0, top), size, 0.0, BLUE.with_alpha(0.75), Some(tip));
        whisker(&mut plot, f64::midpoint(bin.from, bin.to), bin.correct.interval());
    }
    plot.line([(0.0, 0.0), (1.0, 1.0)], 1.5, INK);
    for bin in reliability.bins.iter().filter(|bin| bin.correct.total > 0) {
        let place = plot.place(bin.confidence, bin.correct.value());
        plot.figure.disc(place, 4.0, VERMILION, None);
    }
}

/// The interval that a share is known to.
fn whisker(plot: &mut Plot<'_>, x: f64, [low, high]: [f64; 2]) {
    plot.line([(x, low), (x, high)], 1.5, QUIET.with_alpha(0.8));
}

fn counts(figure: &mut Drawing, reliability: &Reliability) {
    let max = reliability.bins.iter().map(|bin| bin.correct.total).max().unwrap_or(1).max(1);
    let top = CORNER.1 + SIDE + BETWEEN;
    for bin in reliability.bins.iter().filter(|bin| bin.correct.total > 0) {
        let height = COUNTS * (bin.correct.total as f32 / max as f32) * 0.8;
        let left = CORNER.0 + SIDE * bin.from as f32 + 1.0;
        let width = SIDE * (bin.to - bin.from) as f32 - 2.0;
        figure.rectangle(
            (left, top + COUNTS - height),
            (width, height),
            0.0,
            QUIET.with_alpha(0.5),
            None,
        );
        let above = (left + width / 2.0, top + COUNTS - height - 4.0);
        figure.words(
            bin.correct.total.to_string(),
            above,
            TextStyle::new(10.5, QUIET).anchored(Anchor::Middle),
        );
    }
    let beside = (CORNER.0 - 43.2, top + COUNTS / 2.0);
    figure.words("photos", beside, TextStyle::new(13.0, QUIET).anchored(Anchor::Middle).upwards());
}
