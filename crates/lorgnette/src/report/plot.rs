//! A frame with two axes, for lines and points.

use super::palette::{GRID, INK, QUIET};
use crate::draw::canvas::Colour;
use crate::drawing::{Anchor, Drawing, TextStyle};

/// The em of numbers at the axes.
const EM: f32 = 12.0;
/// Approximate number of ticks on an axis.
const TICKS: f64 = 5.0;

/// Where values are drawn.
pub(super) struct Plot<'a> {
    pub(super) figure: &'a mut Drawing,
    /// The upper left corner of the frame and its size.
    pub(super) corner: (f32, f32),
    pub(super) size: (f32, f32),
    /// The values at its edges.
    pub(super) x: [f64; 2],
    pub(super) y: [f64; 2],
}

impl Plot<'_> {
    /// A value's place.
    pub(super) fn place(&self, x: f64, y: f64) -> (f32, f32) {
        let share = |value: f64, [from, to]: [f64; 2]| ((value - from) / (to - from)) as f32;
        let (right, down) =
            (share(x, self.x) * self.size.0, (1.0 - share(y, self.y)) * self.size.1);
        (self.corner.0 + right, self.corner.1 + down)
    }

    /// The grid with its numbers, the axes' names, and a title.
    pub(super) fn frame(&mut self, title: &str, x_name: &str, y_name: &str) {
        let (left, top) = self.corner;
        let (width, height) = self.size;
        for value in ticks(self.y) {
            let (_, y) = self.place(self.x[0], value);
            self.figure.line(vec![(left, y), (left + width, y)], 1.0, GRID);
            self.number(value, (left - 8.0, y + 0.35 * EM), Anchor::End);
        }
        for value in ticks(self.x) {
            let (x, _) = self.place(value, self.y[0]);
            self.figure.line(vec![(x, top), (x, top + height)], 1.0, GRID);
            self.number(value, (x, top + height + 1.5 * EM), Anchor::Middle);
        }
        self.figure.words(title, (left, top - 14.0), TextStyle::new(15.0, INK).bold());
        let name = TextStyle::new(EM + 1.0, QUIET);
        let below = (left + width / 2.0, top + height + 3.1 * EM);
        self.figure.words(x_name, below, name.anchored(Anchor::Middle));
        let beside = (left - 3.6 * EM, top + height / 2.0);
        self.figure.words(y_name, beside, name.anchored(Anchor::Middle).upwards());
    }

    /// A line through values; those that are no numbers are passed over.
    pub(super) fn line(
        &mut self,
        values: impl IntoIterator<Item = (f64, f64)>,
        width: f32,
        colour: Colour,
    ) {
        let finite = values.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        let points: Vec<(f32, f32)> = finite.map(|(x, y)| self.place(x, y)).collect();
        match points[..] {
            [] => {}
            // A single epoch is a point.
            [point] => self.figure.disc(point, 1.5 * width, colour, None),
            _ => self.figure.line(points, width, colour),
        }
    }

    fn number(&mut self, value: f64, at: (f32, f32), anchor: Anchor) {
        self.figure.words(number(value), at, TextStyle::new(EM, QUIET).anchored(anchor));
    }
}

/// Round values between two, a few of them.
fn ticks([from, to]: [f64; 2]) -> Vec<f64> {
    let rough = (to - from) / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last).map(|count| count as f64 * step).collect()
}

/// At most four digits, without zeros at the end.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let shown = |range| ticks(range).into_iter().map(number).collect::<Vec<_>>();
        assert_eq!(shown([0.0, 1.0]), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(shown([1.0, 300.0]), ["100", "200", "300"]);
        assert_eq!(shown([0.71, 0.93]), ["0.75", "0.8", "0.85", "0.9"]);
    }
}
